/* Files and folders, each step with its error. Pool threads and start-up: all of these block. */
#ifndef DISK_H
#define DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* What a write must survive: DISK_POWER (the default) syncs files and folders to the device; with
 * DISK_PROCESS the kernel has them, which outlives this process but not a power cut. Set once,
 * before threads start. */
enum disk_durability { DISK_POWER, DISK_PROCESS };
void disk_durability_set(enum disk_durability durability);

/* Sets ERR_FULL for ENOSPC and EDQUOT, else ERR_IO, at "disk": what, path and strerror. False. */
bool disk_err(struct err *err, const char *what, const char *path);
/* How often this process has set ERR_FULL or ERR_IO there. Any thread. */
size_t disk_errors(enum err_code code);

/* "dir/name", malloc'd. Errors: ERR_MEMORY. */
bool disk_path(const char *dir, const char *name, char **ret, struct err *err);
/* mkdir -p with mode 0700; the folders that hold new ones are synced. */
bool disk_make_dirs(const char *path, struct err *err);
/* A new file, open for writing; nothing may be there. */
bool disk_create(const char *path, int *fd, struct err *err);
/* Syncs a folder, so that what was renamed in it stays so. */
bool disk_sync_dir(const char *path, struct err *err);
/* fsync of a file, as far as the durability asks for it. */
bool disk_sync(int fd, const char *path, struct err *err);
/* Has the kernel begin to write bytes out that an fsync will wait for, as far as there will be one.
 */
void disk_push(int fd, uint64_t at, uint64_t len);
/* Writes all, whatever the kernel takes at a time. */
bool disk_write(int fd, const void *bytes, size_t len, const char *path, struct err *err);
/* A new file with these bytes, synced. */
bool disk_put(const char *path, const void *bytes, size_t len, struct err *err);
/* A whole file that is not empty, mapped or read; *ret is NULL and *len 0 for an empty one. */
bool disk_map(const char *path, void **ret, size_t *len, struct err *err);
void disk_unmap(void *at, size_t len);
/* rename, then a sync of the folder of the new name. */
bool disk_rename(const char *from, const char *to, const char *to_dir, struct err *err);
/* FOLDER/NAME.N.tmp, malloc'd, with an N that no other call of this process has got. Such files are
 * removed at the next start. */
bool disk_tmp_in(const char *folder, const char *name, char **ret, struct err *err);
/* ROOT/tmp/NAME, malloc'd; ROOT/tmp is emptied at the next start. */
bool disk_tmp(const char *root, const char *name, char **ret, struct err *err);
/* Makes ROOT/KIND/.. path vanish for good: renames it into ROOT/tmp, syncs ROOT/KIND, then removes
 * it. When the sync fails it is there again. */
bool disk_discard(const char *root, const char *kind, const char *path, struct err *err);

/* ---- small files of text ---- */

/* Such a file ends with the line "crc32 XXXXXXXX", hexadecimal: CRC-32 of all before that line. */
#define DISK_CRC_LINE ((size_t)15)

/* FOLDER/NAME, whole: the old file or the new one is there, whatever happens. */
bool disk_text_put(const char *folder, const char *name, const char *text, size_t len,
                   struct err *err);
/* Maps one; *text_len is what is before its last line, *len the whole map. Errors: ERR_SYNTAX when
 * the sum is not right; ERR_IO. */
bool disk_text_map(const char *path, void **ret, size_t *len, size_t *text_len, struct err *err);
/* Removes a file, or a folder with all in it; what is not there is no error. Best effort. */
void disk_remove(const char *path);
/* As disk_remove, but a folder is moved to ROOT/tmp first: a start never meets half of it. */
void disk_drop(const char *root, const char *path);

#endif

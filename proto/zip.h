/* The files in a zip archive that lies in memory: NPZ is one, of NPY files.
 *
 * Read are stored and deflated entries of archives without zip64, of one disk, not encrypted. Where
 * an entry is and how long says the directory at the archive's end, never the headers before the
 * entries, so lengths that stand behind an entry (flag bit 3) do not matter.
 *
 *     struct zip zip;
 *     zip_open(bytes, len, arena, &zip, err);
 *     entry = zip_find(&zip, "x.npy");        or zip.entry[i], i < zip.n
 *     entry->len is checked against what the caller has room for, then
 *     zip_read(&zip, entry, arena, &values, err);
 *
 * Source: PKWARE, APPNOTE.TXT 6.3.10, 4.3. Thread: any; only the arguments are touched. */
#ifndef ZIP_H
#define ZIP_H

#include <stdint.h>

#include "arena.h"
#include "err.h"

#define ZIP_ENTRIES_MAX 1024
#define ZIP_NAME_MAX 255

struct zip_entry {
    const char *name; /* in the arena; 1 to ZIP_NAME_MAX bytes, none of them NUL */
    bool deflated;
    uint32_t crc;       /* CRC-32 of what it holds */
    size_t packed, len; /* bytes in the archive and inflated, claimed: zip_read holds it to them */
    size_t at;          /* of its first byte in the archive */
};

struct zip {
    const char *bytes; /* borrowed */
    struct zip_entry *entry;
    size_t n;
};

/* Whether it begins as a zip archive that has entries does. */
bool zip_magic(const char *bytes, size_t len);
/* Reads the directory. len of an entry is at most 1032 times what it takes in the archive, which is
 * what deflate can do. Errors: ERR_SYNTAX at "body", ERR_FIELD at an entry's name; ERR_MEMORY. */
bool zip_open(const char *bytes, size_t len, struct arena *arena, struct zip *ret, struct err *err);
/* NULL: none of that name. */
const struct zip_entry *zip_find(const struct zip *zip, const char *name);
/* *ret has entry->len bytes: in the archive itself where they are stored, else in the arena, to be
 * kept below a limit by the caller first. Errors: ERR_SYNTAX at the entry's name, when it holds
 * more or less than it claims or fails its CRC; ERR_MEMORY. */
bool zip_read(const struct zip *zip, const struct zip_entry *entry, struct arena *arena,
              const char **ret, struct err *err);
/* The same with the caller's room for entry->len bytes, which is needed if entry->deflated. */
bool zip_read_into(const struct zip *zip, const struct zip_entry *entry, char *room,
                   const char **ret, struct err *err);

#endif

/* A library to preload into sigmad: the Nth call that changes a file under a folder fails, or ends
 * the process; the Nth allocation fails; and who calls from which thread is counted.
 *
 *   cc -shared -fPIC -O1 -o fault.so tests/fault/fault.c -ldl
 *   FAULT_ROOT=/state FAULT_PAGE=/page LD_PRELOAD=./fault.so build/sigmad --state /state
 *
 * FAULT_PAGE is a file of at least sizeof(struct page), mapped by this and by the test, which thereby
 * arms and reads at any time. Only memory that sigmad's own code asks for is counted, unless told. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum action { NOTHING, DIE, DIE_TORN, FAIL_EIO, FAIL_ENOSPC, FAIL_EINTR, SHORT_WRITE };
enum scope { SCOPE_NONE, SCOPE_FILES, SCOPE_MEMORY, SCOPE_ALL_MEMORY };

struct page {
    _Atomic uint32_t scope, action, at; /* at: the Nth from now, 1 the next; 0: none */
    _Atomic uint32_t sticky;            /* and all after it */
    _Atomic uint32_t calls, hits;
    _Atomic uint32_t main_calls; /* that change files, on the main thread */
    _Atomic int32_t live;        /* blocks of memory */
};

static struct page none;
static struct page *page = &none;
static const char *root;
static size_t root_len;
static _Atomic bool ours[65536]; /* descriptors of files under root */
static uintptr_t text_from, text_to;

static int main_program(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

        if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) != 0) {
            text_from = info->dlpi_addr + ph->p_vaddr;
            text_to = text_from + ph->p_memsz;
        }
    }
    return 1; /* the first is the program itself */
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULT_PAGE");
    int fd = path != NULL ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;

    dl_iterate_phdr(main_program, NULL);
    if (fd >= 0) {
        void *at = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        page = at != MAP_FAILED ? at : page;
        close(fd);
    }
    root = getenv("FAULT_ROOT");
    root_len = root != NULL ? strlen(root) : 0;
}

static bool under_root(const char *path)
{
    return root_len > 0 && strncmp(path, root, root_len) == 0;
}

/* What becomes of this call. */
static enum action turn(enum scope scope)
{
    uint32_t n;

    if (page->scope != (uint32_t)scope) {
        return NOTHING;
    }
    n = ++page->calls;
    if (page->at == 0 || (page->sticky != 0 ? n < page->at : n != page->at)) {
        return NOTHING;
    }
    page->hits++;
    return (enum action)page->action;
}

static void die(void)
{
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) {
        pause();
    }
}

/* True: the call is to fail, with errno set. */
static bool fails(void)
{
    if (syscall(SYS_gettid) == getpid()) {
        page->main_calls++;
    }
    switch (turn(SCOPE_FILES)) {
    case DIE:
    case DIE_TORN:
        die();
        break;
    case FAIL_EIO:
        errno = EIO;
        return true;
    case FAIL_ENOSPC:
        errno = ENOSPC;
        return true;
    case FAIL_EINTR:
        errno = EINTR;
        return true;
    case NOTHING:
    case SHORT_WRITE:
        break;
    }
    return false;
}

/* ---- files ---- */

static int opened(int dir, const char *path, int flags, mode_t mode)
{
    const bool writes = (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0 && under_root(path);
    int fd;

    if (writes && fails()) {
        return -1;
    }
    fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    if (fd >= 0 && fd < 65536) {
        ours[fd] = under_root(path);
    }
    return fd;
}

#define OPEN_MODE                                                                                  \
    va_list args;                                                                                  \
    va_start(args, flags);                                                                         \
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;           \
    va_end(args)

int open(const char *path, int flags, ...)
{
    OPEN_MODE;
    return opened(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    OPEN_MODE;
    return opened(AT_FDCWD, path, flags, mode);
}

int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return opened(AT_FDCWD, path, flags, 0);
}

int close(int fd)
{
    if (fd >= 0 && fd < 65536) {
        ours[fd] = false;
    }
    return (int)syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    enum action action;

    if (fd < 0 || fd >= 65536 || !ours[fd]) {
        return syscall(SYS_write, fd, bytes, len);
    }
    if (syscall(SYS_gettid) == getpid()) {
        page->main_calls++;
    }
    action = turn(SCOPE_FILES);
    if (action == DIE_TORN) {
        syscall(SYS_write, fd, bytes, len / 2);
    }
    if (action == DIE || action == DIE_TORN) {
        die();
    }
    if (action == SHORT_WRITE && len > 1) {
        len /= 2;
    }
    if (action == FAIL_EIO || action == FAIL_ENOSPC || action == FAIL_EINTR) {
        errno = action == FAIL_EIO ? EIO : action == FAIL_ENOSPC ? ENOSPC : EINTR;
        return -1;
    }
    return syscall(SYS_write, fd, bytes, len);
}

int fsync(int fd)
{
    return fd >= 0 && fd < 65536 && ours[fd] && fails() ? -1 : (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t len)
{
    return fd >= 0 && fd < 65536 && ours[fd] && fails() ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

int rename(const char *from, const char *to)
{
    return under_root(from) && fails() ? -1 : (int)syscall(SYS_rename, from, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return under_root(from) && fails()
               ? -1
               : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

int link(const char *from, const char *to)
{
    return under_root(from) && fails() ? -1 : (int)syscall(SYS_link, from, to);
}

int unlink(const char *path)
{
    return under_root(path) && fails() ? -1 : (int)syscall(SYS_unlink, path);
}

int rmdir(const char *path)
{
    return under_root(path) && fails() ? -1 : (int)syscall(SYS_rmdir, path);
}

int mkdir(const char *path, mode_t mode)
{
    return under_root(path) && fails() ? -1 : (int)syscall(SYS_mkdir, path, mode);
}

/* ---- memory ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *old);

static bool starved(const void *caller)
{
    const uintptr_t at = (uintptr_t)caller;
    enum scope scope = (enum scope)page->scope;

    return (scope == SCOPE_ALL_MEMORY ||
            (scope == SCOPE_MEMORY && at >= text_from && at < text_to)) &&
           turn(scope) != NOTHING;
}

#define STARVED starved(__builtin_return_address(0))

static void *counted(void *block)
{
    if (block == NULL) {
        errno = ENOMEM;
    } else {
        page->live++;
    }
    return block;
}

void *malloc(size_t size)
{
    return counted(STARVED ? NULL : __libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return counted(STARVED ? NULL : __libc_calloc(n, size));
}

void *aligned_alloc(size_t align, size_t size)
{
    return counted(STARVED ? NULL : __libc_memalign(align, size));
}

int posix_memalign(void **ret, size_t align, size_t size)
{
    void *block = counted(STARVED ? NULL : __libc_memalign(align, size));

    *ret = block != NULL ? block : *ret;
    return block != NULL ? 0 : ENOMEM;
}

void *realloc(void *old, size_t size)
{
    void *block;

    if (STARVED) {
        errno = ENOMEM;
        return NULL;
    }
    block = __libc_realloc(old, size);
    page->live += (block != NULL && old == NULL) - (block == NULL && old != NULL && size == 0);
    return block;
}

void free(void *old)
{
    page->live -= old != NULL;
    __libc_free(old);
}

char *strdup(const char *text)
{
    const size_t len = strlen(text) + 1;
    char *copy = counted(STARVED ? NULL : __libc_malloc(len));

    return copy != NULL ? memcpy(copy, text, len) : NULL;
}

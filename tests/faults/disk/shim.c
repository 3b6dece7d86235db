/* A disk that is watched and that can fail: preloaded into a process, it stands between the process and one folder.
 *
 * Every call that changes what is below DISK_SHIM_FOLDER (or what shim_watch names) is written to DISK_SHIM_LOG in
 * the order in which it took effect, with its data; one lock makes that order the only one. shim_mark adds a remark of
 * the program itself. shim_arm makes the n-th call from now fail, be cut short, or be the last thing the process does.
 * A record is {kind, fd, number, size} and size bytes; journal.py reads it. What the replay cannot model (a shared
 * writable map, linkat, copy_file_range ...) ends the process with a message instead of going by unseen.
 * Files ending in -shm hold nothing that lasts: calls on them can fail, but are not in the log.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST_FDS = 4096, LONGEST = 512 };
enum { UNSEEN, LOGGED, PASSING };                              /* what a descriptor leads to */
enum { OPEN = 1, WRITE = 2, TRUNCATE = 4, SYNC = 8, NAME = 16 }; /* kinds of calls that can be armed */
enum { FAIL_ONCE, FAIL_ON, SHORT, KILL };                      /* what an armed call does */

struct record {
    int32_t kind, fd;
    int64_t number;
    uint64_t size;
} __attribute__((packed));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[LONGEST];
static size_t folder_size;
static int log_fd = -1;
static unsigned char seen[MOST_FDS];
static struct {
    int kinds, error, deed;
    long left, calls;
} armed;

#define REAL(name, ...) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

static void give_up(const char *what) {
    dprintf(2, "disk shim: %s is not modelled\n", what);
    abort();
}

static void note(char kind, int fd, int64_t number, const void *data, size_t size) {
    struct record record = {kind, fd, number, size};
    struct iovec parts[] = {{&record, sizeof record}, {(void *)data, size}};
    int kept = errno;
    if (log_fd >= 0 && syscall(SYS_writev, log_fd, parts, 2) != (long)(sizeof record + size)) give_up("a full log");
    errno = kept;
}

void shim_mark(const char *text) {
    pthread_mutex_lock(&lock);
    note('M', -1, 0, text, strlen(text));
    pthread_mutex_unlock(&lock);
}

/* Do `deed` at the `nth` call (1 = the next one) of `kinds`; 0 disarms. */
void shim_arm(int kinds, long nth, int deed, int error) {
    pthread_mutex_lock(&lock);
    armed.kinds = kinds, armed.left = nth, armed.deed = deed, armed.error = error, armed.calls = 0;
    pthread_mutex_unlock(&lock);
}

/* Return how many calls of the armed kinds there were since shim_arm. */
long shim_calls(void) { return armed.calls; }

/* Watch another folder, with another log; an empty one ends the watch. */
void shim_watch(const char *which, const char *log) {
    pthread_mutex_lock(&lock);
    memset(seen, UNSEEN, sizeof seen);
    if (log_fd >= 0) syscall(SYS_close, log_fd);
    log_fd = *log ? syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (*log && log_fd < 0) give_up("a log that cannot be opened");
    folder_size = strlen(which);
    if (folder_size >= LONGEST) give_up("such a long path");
    strcpy(folder, which);
    note('B', -1, getpid(), folder, folder_size);
    pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void start(void) {
    const char *which = getenv("DISK_SHIM_FOLDER"), *log = getenv("DISK_SHIM_LOG");
    if (which && log) shim_watch(which, log);
}

static int below(const char *path) {
    if (!folder_size || !path || strncmp(path, folder, folder_size)) return UNSEEN;
    if (path[folder_size] && path[folder_size] != '/') return UNSEEN;
    size_t size = strlen(path);
    return size > 4 && !strcmp(path + size - 4, "-shm") ? PASSING : LOGGED;
}

static int of(int fd) { return fd >= 0 && fd < MOST_FDS ? seen[fd] : UNSEEN; }

/* Count a call that is about to be made. Returns 0, or the error it fails with, or -1 when it is to be cut short. */
static int about_to(int kind) {
    if (!(armed.kinds & kind)) return 0;
    armed.calls++;
    if (armed.left > 1) armed.left--;
    else if (armed.left == 1) {
        if (armed.deed == KILL) kill(getpid(), SIGKILL);
        if (armed.deed != FAIL_ON) armed.left = 0;
        return armed.deed == SHORT ? -1 : armed.error;
    }
    return 0;
}

static int refused(int error) {
    pthread_mutex_unlock(&lock);
    errno = error;
    return -1;
}

/* Begin a call that changes something: everything up to `done` is one step of the log. */
#define BEGIN(which, kind)                                                                                             \
    int which_ = (which), error_;                                                                                      \
    if (which_ != UNSEEN) pthread_mutex_lock(&lock);                                                                   \
    if (which_ != UNSEEN && (error_ = about_to(kind)) > 0) return refused(error_)

static long done(int which, long result, char kind, int fd, int64_t number, const void *data, size_t size) {
    if (which == LOGGED && result >= 0) note(kind, fd, number, data, size);
    if (which != UNSEEN) {
        int kept = errno;
        pthread_mutex_unlock(&lock);
        errno = kept;
    }
    return result;
}

static int opened(int which, int fd, const char *path, int flags) {
    if (fd >= MOST_FDS && which != UNSEEN) give_up("such a large descriptor");
    if (fd >= 0 && fd < MOST_FDS) seen[fd] = which;
    return done(which, fd, 'O', fd, flags, path, strlen(path));
}

#define OPEN_AS(name)                                                                                                  \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = va_arg(rest, mode_t);                                                                            \
        va_end(rest);                                                                                                  \
        BEGIN(below(path), flags & (O_CREAT | O_WRONLY | O_RDWR) ? OPEN : 0);                                          \
        return opened(which_, REAL(name, path, flags, mode), path, flags);                                             \
    }
OPEN_AS(open)
OPEN_AS(open64)

int close(int fd) {
    int which = of(fd);
    if (which != UNSEEN) pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < MOST_FDS) seen[fd] = UNSEEN;
    return done(which, REAL(close, fd), 'C', fd, 0, "", 0);
}

ssize_t write(int fd, const void *data, size_t size) {
    BEGIN(of(fd), WRITE);
    if (which_ == UNSEEN) return REAL(write, fd, data, size);
    int end = fcntl(fd, F_GETFL) & O_APPEND;
    off_t at = lseek(fd, 0, end ? SEEK_END : SEEK_CUR);
    ssize_t written = REAL(write, fd, data, error_ && size > 1 ? size / 2 : size);
    return done(which_, written, 'W', fd, at, data, written > 0 ? written : 0);
}

#define PWRITE_AS(name, offset_type)                                                                                   \
    ssize_t name(int fd, const void *data, size_t size, offset_type at) {                                              \
        BEGIN(of(fd), WRITE);                                                                                          \
        ssize_t written = REAL(name, fd, data, which_ && error_ && size > 1 ? size / 2 : size, at);                    \
        return done(which_, written, 'W', fd, at, data, written > 0 ? written : 0);                                    \
    }
PWRITE_AS(pwrite, off_t)
PWRITE_AS(pwrite64, off64_t)

#define TRUNCATE_AS(name, offset_type)                                                                                 \
    int name(int fd, offset_type size) {                                                                               \
        BEGIN(of(fd), TRUNCATE);                                                                                       \
        return done(which_, REAL(name, fd, size), 'T', fd, size, "", 0);                                               \
    }
TRUNCATE_AS(ftruncate, off_t)
TRUNCATE_AS(ftruncate64, off64_t)

/* A sync that fails stands in the log too: what was to be synced may be gone for good. */
#define SYNC_AS(name)                                                                                                  \
    int name(int fd) {                                                                                                 \
        int which = of(fd), error = 0;                                                                                 \
        if (which != UNSEEN) pthread_mutex_lock(&lock);                                                                \
        if (which != UNSEEN && (error = about_to(SYNC)) > 0) {                                                         \
            if (which == LOGGED) note('F', fd, 0, "", 0);                                                              \
            return refused(error);                                                                                     \
        }                                                                                                              \
        return done(which, REAL(name, fd), 'S', fd, 0, "", 0);                                                         \
    }
SYNC_AS(fsync)
SYNC_AS(fdatasync)

int unlink(const char *path) {
    BEGIN(below(path), NAME);
    return done(which_, REAL(unlink, path), 'U', -1, 0, path, strlen(path));
}

int mkdir(const char *path, mode_t mode) {
    BEGIN(below(path), NAME);
    return done(which_, REAL(mkdir, path, mode), 'D', -1, 0, path, strlen(path));
}

int rmdir(const char *path) {
    BEGIN(below(path), NAME);
    return done(which_, REAL(rmdir, path), 'U', -1, 0, path, strlen(path));
}

int rename(const char *from, const char *to) {
    char both[2 * LONGEST];
    if (below(from) != below(to)) give_up("a rename over the border of the folder");
    BEGIN(below(to), NAME);
    int size = snprintf(both, sizeof both, "%s%c%s", from, 0, to);
    return done(which_, REAL(rename, from, to), 'R', -1, 0, both, size);
}

#define MMAP_AS(name, offset_type)                                                                                     \
    void *name(void *at, size_t size, int protection, int flags, int fd, offset_type offset) {                         \
        if (of(fd) == LOGGED && flags & MAP_SHARED && protection & PROT_WRITE) give_up("a writable shared map");       \
        return REAL(name, at, size, protection, flags, fd, offset);                                                    \
    }
MMAP_AS(mmap, off_t)
MMAP_AS(mmap64, off64_t)

/* Calls that nobody makes here yet; the day somebody does, the bench says so. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (of(fd) == LOGGED) give_up("writev");
    return REAL(writev, fd, parts, count);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
    if (of(fd) == LOGGED) give_up("pwritev");
    return REAL(pwritev64, fd, parts, count, at);
}
ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *where, size_t size, unsigned flags) {
    if (of(to) == LOGGED) give_up("copy_file_range");
    return REAL(copy_file_range, from, at, to, where, size, flags);
}
int posix_fallocate64(int fd, off64_t from, off64_t size) {
    if (of(fd) == LOGGED) give_up("posix_fallocate");
    return REAL(posix_fallocate64, fd, from, size);
}
int truncate64(const char *path, off64_t size) {
    if (below(path) == LOGGED) give_up("truncate");
    return REAL(truncate64, path, size);
}
int link(const char *from, const char *to) {
    if (below(to) == LOGGED) give_up("link");
    return REAL(link, from, to);
}
int symlink(const char *from, const char *to) {
    if (below(to) == LOGGED) give_up("symlink");
    return REAL(symlink, from, to);
}
static void not_at(int folder_fd, const char *path, const char *what) {
    if (below(path) == LOGGED || (path && *path != '/' && of(folder_fd) == LOGGED)) give_up(what);
}
#define OPENAT_AS(name)                                                                                                \
    int name(int at, const char *path, int flags, ...) {                                                               \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = va_arg(rest, mode_t);                                                                            \
        va_end(rest);                                                                                                  \
        if (flags & (O_CREAT | O_WRONLY | O_RDWR)) not_at(at, path, "openat");                                         \
        return REAL(name, at, path, flags, mode);                                                                      \
    }
OPENAT_AS(openat)
OPENAT_AS(openat64)
int unlinkat(int at, const char *path, int flags) {
    not_at(at, path, "unlinkat");
    return REAL(unlinkat, at, path, flags);
}
int renameat(int from_at, const char *from, int to_at, const char *to) {
    not_at(to_at, to, "renameat");
    return REAL(renameat, from_at, from, to_at, to);
}

/* A second descriptor of the same file would write unseen. */
#define FCNTL_AS(name)                                                                                                 \
    int name(int fd, int command, ...) {                                                                               \
        va_list rest;                                                                                                  \
        va_start(rest, command);                                                                                       \
        void *value = va_arg(rest, void *);                                                                            \
        va_end(rest);                                                                                                  \
        if (of(fd) == LOGGED && (command == F_DUPFD || command == F_DUPFD_CLOEXEC)) give_up("dup");                    \
        return REAL(name, fd, command, value);                                                                         \
    }
FCNTL_AS(fcntl)
FCNTL_AS(fcntl64)

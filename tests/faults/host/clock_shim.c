/* A wall clock that tests can set: preloaded into a process, it moves CLOCK_REALTIME and nothing else.
 *
 * CLOCK_SHIM names a file of 8 bytes, a signed number of nanoseconds (this machine's byte order), mapped and read
 * again at every call: what is written there is the time at once, in the daemon and in the processes that it starts.
 * Time-outs against the wall clock (pthread_cond_timedwait, sem_timedwait) are moved back, because the kernel's own
 * clock goes on as ever.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { A_SECOND = 1000000000 };

static const volatile int64_t *offset;

__attribute__((constructor)) static void map_file(void) {
    const char *path = getenv("CLOCK_SHIM");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *found = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
    if (found != MAP_FAILED) offset = found;
    close(fd);
}

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static void move(struct timespec *when, int64_t by) {
    int64_t whole = by / A_SECOND, nanoseconds = when->tv_nsec + by % A_SECOND;
    if (nanoseconds < 0) nanoseconds += A_SECOND, whole--;
    if (nanoseconds >= A_SECOND) nanoseconds -= A_SECOND, whole++;
    when->tv_sec += whole;
    when->tv_nsec = nanoseconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = real("clock_gettime");
    int result = next(clock, now);
    if (!result && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) move(now, *offset);
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    (void)zone;
    int result = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return result;
}

time_t time(time_t *kept) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (kept) *kept = now.tv_sec;
    return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    static int (*next)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!next) next = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!next) next = real("pthread_cond_timedwait");
    struct timespec kernels = *until, monotonic;
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    /* a condition may also be one of the monotonic clock, whose times are days and not decades */
    if (offset && until->tv_sec > monotonic.tv_sec + 31536000) move(&kernels, -*offset);
    return next(condition, mutex, &kernels);
}

int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
    static int (*next)(sem_t *, const struct timespec *);
    if (!next) next = real("sem_timedwait");
    struct timespec kernels = *until;
    if (offset) move(&kernels, -*offset);
    return next(semaphore, &kernels);
}

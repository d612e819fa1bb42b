/* Preloaded, it sets the time of day forward, for the processes of one node alone, by the seconds in the file WRONG_CLOCK (64 bits,
 * of this machine's order), which may change meanwhile. The monotonic clock stays as it is, as on a machine whose clock is set.
 * Who waits until a time of day computed it by this clock, and the kernel has another: such deadlines are set back. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *seconds;
static long (*real_syscall)(long, ...);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("WRONG_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        void *mapped = mmap(NULL, sizeof *seconds, PROT_READ, MAP_SHARED, file, 0);
        seconds = mapped == MAP_FAILED ? NULL : mapped;
        close(file);
    }
}

static int64_t ahead(void) { return seconds ? *seconds : 0; }

/* `deadline` as the kernel counts. Those of the monotonic clock are far below a billion seconds. */
static const struct timespec *kernels(const struct timespec *deadline, struct timespec *room) {
    if (!deadline || deadline->tv_sec < 1000000000)
        return deadline;
    *room = *deadline;
    room->tv_sec -= ahead();
    return room;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += ahead();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now)
        *now = precise.tv_sec;
    return precise.tv_sec;
}

/* glibc has an older kind of some, which dlsym would find. */
#define WAITING(name, version, parameters, ...)                                                                                  \
    int name parameters {                                                                                                        \
        static int(*real) parameters;                                                                                            \
        struct timespec room;                                                                                                    \
        if (!real)                                                                                                               \
            real = dlvsym(RTLD_NEXT, #name, version);                                                                            \
        return real(__VA_ARGS__, kernels(deadline, &room));                                                                      \
    }

WAITING(pthread_cond_timedwait, "GLIBC_2.3.2",
        (pthread_cond_t *restrict it, pthread_mutex_t *restrict lock, const struct timespec *restrict deadline), it, lock)
WAITING(pthread_cond_clockwait, "GLIBC_2.34",
        (pthread_cond_t *restrict it, pthread_mutex_t *restrict lock, clockid_t clock, const struct timespec *restrict deadline), it,
        lock, clock)
WAITING(pthread_mutex_timedlock, "GLIBC_2.34", (pthread_mutex_t *restrict it, const struct timespec *restrict deadline), it)
WAITING(sem_timedwait, "GLIBC_2.34", (sem_t *restrict it, const struct timespec *restrict deadline), it)
WAITING(sem_clockwait, "GLIBC_2.34", (sem_t *restrict it, clockid_t clock, const struct timespec *restrict deadline), it, clock)

/* Abseil waits by futexes of its own. */
long syscall(long number, ...) {
    long given[6];
    struct timespec room;
    va_list more;
    va_start(more, number);
    for (int place = 0; place < 6; place++)
        given[place] = va_arg(more, long);
    va_end(more);
    if (!real_syscall)
        real_syscall = dlsym(RTLD_NEXT, "syscall");
    if (number == SYS_futex && given[1] & FUTEX_CLOCK_REALTIME)
        given[3] = (long)kernels((const struct timespec *)given[3], &room);
    return real_syscall(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}

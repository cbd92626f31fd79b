/* Stands in front of the C library in one process and makes its disk and its clock misbehave, as a small control file
 * says that the driver writes: jumps of the clock, a full disk, a failing fsync, and copies of what is safe from a power
 * cut. Only files below one folder are touched. It is preloaded into the server under test and into nothing else. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The control file: four numbers of 64 bits, in the order in which shim.rs writes them. */
struct control { volatile int64_t clock_seconds, disk_full, fsync_fails, shadows; };

static struct control none;
static struct control *control = &none;
static char data[PATH_MAX], shadow[PATH_MAX];
static pthread_mutex_t copying = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("CHAOS_CONTROL"), *in = getenv("CHAOS_DATA"), *out = getenv("CHAOS_SHADOW");
    if (!file || !in || !out || !realpath(in, data) || !realpath(out, shadow)) return;
    int fd = open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) control = at;
    close(fd);
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* The part of a path below the data folder, or NULL. */
static const char *below(const char *path) {
    size_t n = strlen(data);
    return n && !strncmp(path, data, n) && path[n] == '/' ? path + n + 1 : NULL;
}

/* The same of an open file; its path is put into `path`. */
static const char *file_below(int fd, char path[PATH_MAX]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n < 0) return NULL;
    path[n] = 0;
    return below(path);
}

/* The same of a path that may be relative. */
static const char *path_below(const char *name, char path[PATH_MAX]) {
    char folder[PATH_MAX], copy[PATH_MAX];
    if (snprintf(copy, sizeof copy, "%s", name) >= (int)sizeof copy) return NULL;
    char *slash = strrchr(copy, '/');
    if (slash) *slash = 0;
    if (!realpath(slash ? (*copy ? copy : "/") : ".", folder)) return NULL;
    if (snprintf(path, PATH_MAX, "%s/%s", folder, slash ? slash + 1 : copy) >= PATH_MAX) return NULL;
    return below(path);
}

static int full(int fd) {
    char path[PATH_MAX];
    return control->disk_full && file_below(fd, path) != NULL;
}

/* ---- the clock ---- */
int clock_gettime(clockid_t clock, struct timespec *at) {
    REAL(int, "clock_gettime", clockid_t, struct timespec *);
    int result = real(clock, at);
    if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += control->clock_seconds;
    return result;
}
int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    REAL(int, "gettimeofday", struct timeval *, void *);
    int result = real(at, zone);
    if (!result) at->tv_sec += control->clock_seconds;
    return result;
}
time_t time(time_t *out) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (out) *out = at.tv_sec;
    return at.tv_sec;
}

/* ---- a full disk: nothing grows, nothing is written ---- */
#define FULL(type, name, names, params, ...) \
    type name params { \
        REAL(type, names, __typeof__(fd), ##__VA_ARGS__); \
        if (full(fd)) { errno = ENOSPC; return -1; } \
        return real CALL; \
    }
#define CALL (fd, bytes, count)
FULL(ssize_t, write, "write", (int fd, const void *bytes, size_t count), const void *, size_t)
FULL(ssize_t, writev, "writev", (int fd, const struct iovec *bytes, int count), const struct iovec *, int)
#undef CALL
#define CALL (fd, bytes, count, at)
FULL(ssize_t, pwrite, "pwrite", (int fd, const void *bytes, size_t count, off_t at), const void *, size_t, off_t)
FULL(ssize_t, pwrite64, "pwrite64", (int fd, const void *bytes, size_t count, off64_t at), const void *, size_t, off64_t)
FULL(ssize_t, pwritev, "pwritev", (int fd, const struct iovec *bytes, int count, off_t at), const struct iovec *, int, off_t)
FULL(ssize_t, pwritev64, "pwritev64", (int fd, const struct iovec *bytes, int count, off64_t at), const struct iovec *, int, off64_t)
#undef CALL
#define CALL (fd, mode, at, count)
FULL(int, fallocate, "fallocate", (int fd, int mode, off_t at, off_t count), int, off_t, off_t)
FULL(int, fallocate64, "fallocate64", (int fd, int mode, off64_t at, off64_t count), int, off64_t, off64_t)
#undef CALL
int posix_fallocate(int fd, off_t at, off_t count) {
    REAL(int, "posix_fallocate", int, off_t, off_t);
    return full(fd) ? ENOSPC : real(fd, at, count);
}
int posix_fallocate64(int fd, off64_t at, off64_t count) {
    REAL(int, "posix_fallocate64", int, off64_t, off64_t);
    return full(fd) ? ENOSPC : real(fd, at, count);
}
static int grows(int fd, int64_t size) {
    struct stat now;
    return !fstat(fd, &now) && size > now.st_size;
}
int ftruncate(int fd, off_t size) {
    REAL(int, "ftruncate", int, off_t);
    if (full(fd) && grows(fd, size)) { errno = ENOSPC; return -1; }
    return real(fd, size);
}
int ftruncate64(int fd, off64_t size) {
    REAL(int, "ftruncate64", int, off64_t);
    if (full(fd) && grows(fd, size)) { errno = ENOSPC; return -1; }
    return real(fd, size);
}

/* ---- what is safe: a copy of each file as it was when it was last synced ---- */
static void copy(int fd) {
    char path[PATH_MAX], to[2 * PATH_MAX], begun[2 * PATH_MAX + 8];
    static char bytes[1 << 20];
    const char *name = file_below(fd, path);
    /* A name that is gone needs no copy; a folder holds names, which are taken to be safe. */
    struct stat kind;
    if (!name || fstat(fd, &kind) || !S_ISREG(kind.st_mode) || !kind.st_nlink) return;
    snprintf(to, sizeof to, "%s/%s", shadow, name);
    snprintf(begun, sizeof begun, "%s.begun", to);
    pthread_mutex_lock(&copying);
    int in = open(path, O_RDONLY | O_CLOEXEC), out = open(begun, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = -1;
    if (in >= 0 && out >= 0)
        while ((n = read(in, bytes, sizeof bytes)) > 0)
            if (write(out, bytes, n) != n) { n = -1; break; }
    /* Whole or not at all, whenever the process is killed. */
    if (n == 0) rename(begun, to);
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    pthread_mutex_unlock(&copying);
}
static int synced(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    if (control->fsync_fails && file_below(fd, path)) { errno = EIO; return -1; }
    int result = real(fd);
    if (!result && control->shadows) copy(fd);
    return result;
}
int fsync(int fd) { REAL(int, "fsync", int); return synced(fd, real); }
int fdatasync(int fd) { REAL(int, "fdatasync", int); return synced(fd, real); }
int unlink(const char *name) {
    REAL(int, "unlink", const char *);
    char path[PATH_MAX], gone[2 * PATH_MAX];
    const char *part = control->shadows ? path_below(name, path) : NULL;
    int result = real(name);
    if (!result && part) {
        snprintf(gone, sizeof gone, "%s/%s", shadow, part);
        real(gone);
    }
    return result;
}

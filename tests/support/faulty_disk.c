/* Faults of a disk, under the files whose path begins with FAULTY_FILES; for LD_PRELOAD.

   The file that FAULTY_DISK names lists the faults of the moment: "write:ENOSPC", "write:EIO",
   "write:short" (half of what was given), "read:EIO", "fsync:EIO", "fsync:slow" (0.3 s); an empty file
   means none. Each fault that occurs is logged in the file of that name and ".log". Maps of a file
   (SQLite's -shm) are not affected. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static int is_faulty(int fd) {
    const char *prefix = getenv("FAULTY_FILES");
    char link[64], path[4096];
    if (!prefix) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return strncmp(path, prefix, strlen(prefix)) == 0;
}

/* Whether this fault is set now; it is logged if so. */
static int has(const char *word) {
    char text[256], log[4096];
    const char *control = getenv("FAULTY_DISK");
    int fd = control ? syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return 0;
    ssize_t n = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (n <= 0) return 0;
    text[n] = 0;
    if (!strstr(text, word)) return 0;
    snprintf(log, sizeof log, "%s.log", control);
    fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        n = snprintf(text, sizeof text, "%s\n", word);
        syscall(SYS_write, fd, text, n);
        syscall(SYS_close, fd);
    }
    return 1;
}

/* The bytes to write of n; -1 with errno for none. */
static ssize_t admitted(int fd, size_t n) {
    if (!is_faulty(fd)) return n;
    if (has("write:ENOSPC")) { errno = ENOSPC; return -1; }
    if (has("write:EIO")) { errno = EIO; return -1; }
    return n > 1 && has("write:short") ? (ssize_t)(n / 2) : (ssize_t)n;
}

static int fails_to_read(int fd) {
    if (!is_faulty(fd) || !has("read:EIO")) return 0;
    errno = EIO;
    return 1;
}

static int fails_to_sync(int fd) {
    if (!is_faulty(fd)) return 0;
    if (has("fsync:slow")) nanosleep(&(struct timespec){.tv_nsec = 300 * 1000 * 1000}, NULL);
    if (!has("fsync:EIO")) return 0;
    errno = EIO;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *from, size_t n) {
    ssize_t some = admitted(fd, n);
    return some < 0 ? -1 : REAL(write)(fd, from, some);
}

ssize_t pwrite(int fd, const void *from, size_t n, off_t at) {
    ssize_t some = admitted(fd, n);
    return some < 0 ? -1 : REAL(pwrite)(fd, from, some, at);
}

ssize_t pwrite64(int fd, const void *from, size_t n, off64_t at) {
    ssize_t some = admitted(fd, n);
    return some < 0 ? -1 : REAL(pwrite64)(fd, from, some, at);
}

ssize_t read(int fd, void *into, size_t n) {
    return fails_to_read(fd) ? -1 : REAL(read)(fd, into, n);
}

ssize_t pread(int fd, void *into, size_t n, off_t at) {
    return fails_to_read(fd) ? -1 : REAL(pread)(fd, into, n, at);
}

ssize_t pread64(int fd, void *into, size_t n, off64_t at) {
    return fails_to_read(fd) ? -1 : REAL(pread64)(fd, into, n, at);
}

int fsync(int fd) { return fails_to_sync(fd) ? -1 : REAL(fsync)(fd); }

int fdatasync(int fd) { return fails_to_sync(fd) ? -1 : REAL(fdatasync)(fd); }

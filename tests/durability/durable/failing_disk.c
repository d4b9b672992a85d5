/* Fails the calls with which the database writes its file: the number-th from now on, once or for good.
   Loaded into a process in front of the C library; see database_faults.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int countdown = 0; /* 0: nothing fails */
static int error_code = 0;
static int for_good = 0;
static int calls = 0;

void arm(int number, int code, int persistent) {
    countdown = number;
    error_code = code;
    for_good = persistent;
    calls = 0;
}

int calls_so_far(void) { return calls; }

static int is_database(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 8) return 0;
    return memcmp(path + size - 8, "data.mdb", 8) == 0;
}

static int refused(int fd) {
    if (!is_database(fd)) return 0;
    calls++;
    if (countdown == 0) return 0;
    if (countdown > 1) {
        countdown--;
        return 0;
    }
    if (!for_good) countdown = 0;
    errno = error_code;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return refused(fd) ? -1 : REAL(pwrite)(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    return refused(fd) ? -1 : REAL(pwrite64)(fd, data, size, at);
}

ssize_t pwritev(int fd, const struct iovec *data, int count, off_t at) {
    return refused(fd) ? -1 : REAL(pwritev)(fd, data, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *data, int count, off64_t at) {
    return refused(fd) ? -1 : REAL(pwritev64)(fd, data, count, at);
}

ssize_t write(int fd, const void *data, size_t size) {
    return refused(fd) ? -1 : REAL(write)(fd, data, size);
}

ssize_t writev(int fd, const struct iovec *data, int count) {
    return refused(fd) ? -1 : REAL(writev)(fd, data, count);
}

int fdatasync(int fd) { return refused(fd) ? -1 : REAL(fdatasync)(fd); }

int fsync(int fd) { return refused(fd) ? -1 : REAL(fsync)(fd); }

/*
 * What the system calls take that our server makes for a request, without any server: nanoseconds for
 * each kind of request, one a line. The argument is an empty folder on the file system that is served.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

/* The fastest of some repetitions counts, since other load has disturbed it least. */
enum { REPETITIONS = 7, TIMES = 4000, FILES = 16, PAGE = 4096 };

static char names[TIMES][24];
static char reopened[32];
static char page[PAGE];
static struct iovec vector = {page, PAGE};
static struct statx found;
static int directory, listed, file;

static void check(long result, const char *what) {
  if (result >= 0)
    return;
  perror(what);
  exit(1);
}

static void held_statx(int fd, const char *name) {
  int flags = *name == 0 ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW;
  check(statx(fd, name, flags, STATX_BASIC_STATS | STATX_BTIME, &found), "statx");
}

static void walk(int i) { held_statx(listed, names[i % FILES]); }

static void getattr(int i) { held_statx(file, ""); }

/* With the clunk at the end. */
static void lopen(int i) {
  int held = openat(listed, names[i % FILES], O_PATH | O_NOFOLLOW | O_CLOEXEC);
  check(held, "openat");
  held_statx(held, "");
  int fd = open(reopened, O_RDONLY | O_CLOEXEC);
  check(fd, "open");
  close(fd);
  close(held);
}

static void lcreate(int i) {
  int fd = openat(directory, names[i], O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  check(fd, "openat");
  close(fd);
}

static void unlink_it(int i) { check(unlinkat(directory, names[i], 0), "unlinkat"); }

static void read_page(int i) { check(preadv(file, &vector, 1, 0), "preadv"); }

static void write_page(int i) { check(pwritev(file, &vector, 1, 0), "pwritev"); }

static void readdir_all(int i) {
  check(lseek(listed, 0, SEEK_SET), "lseek");
  check(syscall(SYS_getdents64, listed, page, PAGE), "getdents64");
}

static void setattr(int i) { check(utimensat(AT_FDCWD, reopened, NULL, 0), "utimensat"); }

/* Most files have none. */
static void xattr(int i) { getxattr(reopened, "security.capability", page, PAGE); }

static void sync_it(int i) { check(fsync(file), "fsync"); }

static void statfs_it(int i) {
  struct statfs about;
  check(fstatfs(file, &about), "fstatfs");
}

/* Named as the requests are; what was created is there to be removed. */
static const struct {
  const char *name;
  void (*make)(int);
} requests[] = {
    {"walk", walk},          {"getattr", getattr},     {"lopen", lopen},
    {"lcreate", lcreate},    {"unlinkat", unlink_it},  {"read", read_page},
    {"write", write_page},   {"readdir", readdir_all}, {"setattr", setattr},
    {"xattrwalk", xattr},    {"fsync", sync_it},       {"statfs", statfs_it},
};
enum { REQUESTS = sizeof requests / sizeof *requests };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

int main(int count, char **arguments) {
  if (count != 2)
    return 2;
  check(chdir(arguments[1]), arguments[1]);
  check(mkdir("listed", 0755), "listed");
  directory = open(".", O_RDONLY | O_DIRECTORY);
  listed = open("listed", O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < TIMES; i++)
    snprintf(names[i], sizeof *names, "source-%04d.txt", i);
  for (int i = 0; i < FILES; i++) {
    file = openat(listed, names[i], O_CREAT | O_RDWR, 0644);
    check(write(file, page, PAGE), "write");
  }
  snprintf(reopened, sizeof reopened, "/proc/self/fd/%d", file);

  double least[REQUESTS] = {0};
  for (int repetition = 0; repetition < REPETITIONS; repetition++) {
    for (int r = 0; r < REQUESTS; r++) {
      double start = now();
      for (int i = 0; i < TIMES; i++)
        requests[r].make(i);
      double taken = (now() - start) / TIMES;
      if (repetition == 0 || taken < least[r])
        least[r] = taken;
    }
  }
  for (int r = 0; r < REQUESTS; r++)
    printf("%s %.0f\n", requests[r].name, least[r]);
  return 0;
}

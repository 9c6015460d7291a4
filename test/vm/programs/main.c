/*
 * Two processes that never met talk through a file: each maps it by its name. The second also reads
 * what the first one mapped, and writes what the first one then finds in its mapping.
 */
#include "mapping.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LENGTH = 3 * 4096 };

static int other(const char *path)
{
    char *bytes = map_shared(path, LENGTH);
    char found[6] = "";
    int fd = open(path, O_RDWR);
    if (memcmp(bytes + 4096, "first", 5) != 0) {
        fprintf(stderr, "the mapping does not show the other's\n");
        return 1;
    }
    if (pread(fd, found, 5, 4096) != 5 || strcmp(found, "first") != 0) {
        fprintf(stderr, "the file does not show the other's mapping\n");
        return 1;
    }
    memcpy(bytes + 100, "mapped", 6);
    return pwrite(fd, "written", 7, 8000) == 7 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return other(argv[1]);
    char *bytes = map_shared(argv[1], LENGTH);
    memcpy(bytes + 4096, "first", 5);
    pid_t child = fork();
    if (child == 0) {
        execl(argv[0], argv[0], argv[1], "other", NULL);
        _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0)
        return 1;
    if (memcmp(bytes + 100, "mapped", 6) != 0 || memcmp(bytes + 8000, "written", 7) != 0) {
        fprintf(stderr, "the other's changes do not show\n");
        return 1;
    }
    if (msync(bytes, LENGTH, MS_SYNC) != 0)
        return 1;
    puts("shared");
    return 0;
}

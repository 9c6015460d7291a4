#include <stddef.h>

/* Maps `length` bytes of `path`, shared with everybody who does. */
char *map_shared(const char *path, size_t length);

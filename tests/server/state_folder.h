/* A state folder of a group of tests: made before them, gone after them. */
#ifndef STATE_FOLDER_H
#define STATE_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "disk.h"

static char root[] = "/tmp/sigmad-test-XXXXXX";

static int folder_make(void **state)
{
    struct err err = { 0 };
    char path[300];

    (void)state;
    disk_durability_set(DISK_PROCESS);
    if (mkdtemp(root) == NULL) {
        return -1;
    }
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = { "models", "jobs", "tmp" };

        snprintf(path, sizeof path, "%s/%s", root, names[i]);
        if (!disk_make_dirs(path, &err)) {
            return -1;
        }
    }
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    disk_remove(root);
    return access(root, F_OK) == 0 ? -1 : 0;
}

#endif

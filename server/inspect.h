/* What a start would make of a state folder, without changing anything in it: every file of a
 * model, a data set and a job is read to its last byte and held to its sums. Main thread, in place
 * of a daemon. */
#ifndef INSPECT_H
#define INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct inspection {
    /* Told of each thing that is wrong: the path, and what a start would do and why. */
    void (*tell)(const char *path, const char *text);
    bool busy; /* a daemon is at work there: what vanishes meanwhile is not wrong */

    size_t models;
    size_t versions, steps; /* those with files, those that learn logs lead to */
    size_t datasets;
    size_t jobs, unfinished;
    size_t aside; /* *.corrupt of earlier starts */
    size_t wrong; /* all that tell was told, */
    size_t left;  /* and of these, files of a later sigmad */

    /* Of the model under way. */
    uint64_t top; /* the highest version with a file */
    bool later;   /* a learn log is of a later sigmad: a start leaves the whole model to that */
};

/* Adds up what is found, in an import that a start finishes too (intake.h); tell and busy are the caller's. A folder that is not there holds nothing.
 * Errors: ERR_MEMORY; ERR_IO when a folder cannot be listed. */
bool inspect_state(const char *root, struct inspection *inspection, struct err *err);

#endif

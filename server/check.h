/* `sigmad check`: what a daemon of these settings would be told and would find, on stdout. Nothing
 * is changed; a daemon that is at work on the same folder is not disturbed. Main thread. */
#ifndef CHECK_H
#define CHECK_H

#include "options.h"

/* The exit code: 0 all is well; 1 something of the state is not; 2 a setting is wrong. */
int check_run(const struct options *opts);

#endif

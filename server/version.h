/* The version of sigmad itself, from the Makefile. */
#ifndef VERSION_H
#define VERSION_H

#ifndef SIGMAD_VERSION
#define SIGMAD_VERSION "unversioned"
#endif

#endif

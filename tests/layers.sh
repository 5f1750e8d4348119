#!/bin/sh
# Prints each line that crosses a layer and exits 1. Include paths and link lines hold the layers
# first (Makefile); this is for what they cannot see. Any grep status but 1 (nothing found) is a
# failure, so a renamed folder cannot pass by matching no file.
bad=0
never() { # never REASON PATTERN FILE...
    reason=$1 pattern=$2
    shift 2
    grep -nE -e "$pattern" -- "$@"
    [ $? -eq 1 ] || {
        echo "layers: $reason" >&2
        bad=1
    }
}
all() { # all FILE...: those, without the four that speak to libmicrohttpd
    for file; do case $file in server/http.c | server/http_connection.c | server/http_head.c | server/http_reply.c) ;; *) echo "$file" ;; esac; done
}
below='core/*.[ch] proto/*.[ch]'
# shellcheck disable=SC2086,SC2046 # lists of names without blanks
{
    never 'include by bare name'                '#include "[^"]*/'           $below server/*.[ch]
    never 'microhttpd.h is server/http.c'       '<microhttpd\.h>'            $(all $below server/*.[ch])
    never 'jansson.h is proto/*.c'              '<jansson\.h>'               core/*.[ch] proto/*.h server/*.[ch]
    never 'uv.h is server'                      '<uv\.h>'                    $below
    never 'gnutls and nettle are server'        '<(gnutls|nettle)/'          $below
    never 'only server logs or exits'           '\b(v?f?printf|puts|exit|abort|syslog)\(' $below
    never 'core and proto know no files'        '<(fcntl|sys/(stat|mman|socket))\.h>|\b(fopen|open|mmap)\(' $below
    never 'core and proto know no threads'      '<(pthread|threads|stdatomic|semaphore)\.h>|\bpthread_' $below
    never 'core knows no clock'                 '<(time|sys/time)\.h>|\b(clock_gettime|time|gettimeofday)\(' core/*.[ch]
    never 'the random generator is core/rng'    '\b(s?rand|random|drand48)\(' $below server/*.[ch]
}
exit $bad

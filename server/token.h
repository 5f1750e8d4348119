/* sigmad token new NAME --scope SCOPE [--models PATTERNS] [--rate N]: makes a token, and prints it
 * and the line of it for the file of --tokens. The token is kept nowhere. Start-up, in place of a
 * daemon. */
#ifndef TOKEN_H
#define TOKEN_H

/* The command line's first argument is "token". The exit code: 0, 2 for a wrong command line, 1 for what else went wrong. */
int token_command(int argc, char **argv);

#endif

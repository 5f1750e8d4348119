/* An open-loop client: sends a request every 1/RATE seconds whether or not the last one was
 * answered, so that a server that stalls is seen to. Latency counts from when a request was due.
 *
 *   pace PORT RATE SECONDS CONNECTIONS FILE     FILE holds a whole request; prints p50 p99 p99.9
 *                                               in us, and how many were sent, answered, failed */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNS_MAX 256

static struct {
    int fd;
    int64_t due; /* of the request under way; 0: none */
    char in[65536];
    size_t len;
} conns[CONNS_MAX];

static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int connect_to(int port)
{
    const int on = 1;
    const struct sockaddr_in at = { .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (const struct sockaddr *)&at, sizeof at) != 0) {
        perror("pace: connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Whether a whole reply is there; its status in *status. */
static int reply_done(const char *in, size_t len, int *status)
{
    const char *body = memmem(in, len, "\r\n\r\n", 4);
    const char *length = strcasestr(in, "\r\ncontent-length:");

    *status = len > 12 ? atoi(in + 9) : 0;
    return body != NULL && length != NULL &&
           len >= (size_t)(body + 4 - in) + strtoul(length + 17, NULL, 10);
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static char *file_read(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *bytes = malloc(1 << 22);

    if (file == NULL || bytes == NULL) {
        perror("pace");
        exit(1);
    }
    *len = fread(bytes, 1, 1 << 22, file);
    fclose(file);
    return bytes;
}

int main(int argc, char **argv)
{
    size_t len, sent = 0, failed = 0, done = 0, free_at = 0;

    if (argc != 6) {
        return 2;
    }
    const int port = atoi(argv[1]), count = atoi(argv[4]);
    const double rate = atof(argv[2]), seconds = atof(argv[3]);
    const size_t total = (size_t)(rate * seconds);
    char *request = file_read(argv[5], &len);
    int64_t *took = calloc(total, sizeof *took);
    struct pollfd fds[CONNS_MAX];

    for (int i = 0; i < count; i++) {
        conns[i].fd = connect_to(port);
        fds[i] = (struct pollfd){ .fd = conns[i].fd, .events = POLLIN };
    }
    const int64_t begun = now_ns();
    while (done + failed < total) {
        const int64_t due = begun + (int64_t)((double)sent * 1e9 / rate);
        int64_t now = now_ns();
        struct timespec wait = { 0, 0 };

        if (now > begun + (int64_t)((seconds + 10.0) * 1e9)) {
            break;
        }
        if (sent < total && now >= due) {
            for (int i = 0; i < count; i++) { /* the next that is free; else it stays due */
                const size_t c = (free_at + (size_t)i) % (size_t)count;

                if (conns[c].due == 0) {
                    if (write(conns[c].fd, request, len) != (ssize_t)len) {
                        perror("pace: write");
                        return 1;
                    }
                    conns[c].due = due;
                    conns[c].len = 0;
                    free_at = c + 1;
                    sent++;
                    break;
                }
            }
        }
        now = now_ns();
        if (sent < total && begun + (int64_t)((double)sent * 1e9 / rate) > now) {
            wait.tv_nsec = begun + (int64_t)((double)sent * 1e9 / rate) - now;
        } else if (sent == total) {
            wait.tv_nsec = 1000000;
        }
        if (ppoll(fds, (nfds_t)count, &wait, NULL) <= 0) {
            continue;
        }
        for (int i = 0; i < count; i++) {
            int status;

            if (fds[i].revents == 0 || conns[i].due == 0) {
                continue;
            }
            const ssize_t got = recv(conns[i].fd, conns[i].in + conns[i].len,
                                     sizeof conns[i].in - 1 - conns[i].len, MSG_DONTWAIT);

            if (got <= 0) {
                fprintf(stderr, "pace: the server closed\n");
                return 1;
            }
            conns[i].len += (size_t)got;
            conns[i].in[conns[i].len] = '\0';
            if (reply_done(conns[i].in, conns[i].len, &status)) {
                failed += status != 200;
                if (status == 200) {
                    took[done++] = now_ns() - conns[i].due;
                }
                conns[i].due = 0;
            }
        }
    }
    qsort(took, done, sizeof *took, by_size);
    printf("%.0f %.0f %.0f %zu %zu %zu\n", (double)took[done / 2] / 1e3,
           (double)took[done * 99 / 100] / 1e3, (double)took[done * 999 / 1000] / 1e3, sent, done,
           failed);
    return 0;
}

/* What HTTP and JSON cost at the least: an epoll loop with the same network, number reader and
 * number writer as sigmad, and no more of HTTP than the benchmark sends. One thread, keep-alive,
 * a request at a time on a connection; it trusts its client.
 *
 *   bare PORT INPUTS HIDDEN OUTPUTS      POST /json, POST /raw (float32); prints "ready" */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "number.h"
#include "text.h"

#define CONNS 1024
#define BODY_MAX ((size_t)4 << 20)
#define ROWS_MAX 64

struct conn {
    char *in; /* BODY_MAX */
    size_t len;
};

static struct conn conns[CONNS];
static struct net *net;
static float *x, *y;
static void *scratch;

/* {"inputs": [[...], ...]}: rows of numbers, row behind row in x. */
static size_t parse(const char *at, const char *end)
{
    size_t n = 0;

    while (at < end) {
        if ((*at >= '0' && *at <= '9') || *at == '-') {
            const size_t got = number_list(&at, end, x + n, net->spec.inputs * ROWS_MAX - n);

            if (got == 0) {
                number_read(&at, end, x + n);
            }
            n += got > 0 ? got : 1;
        } else {
            at++;
        }
    }
    return n / net->spec.inputs;
}

static void answer(int fd, const char *body, size_t len, bool raw)
{
    const size_t outputs = spec_outputs(&net->spec);
    const size_t n = raw ? len / sizeof *x / net->spec.inputs : parse(body, body + len);
    struct rows rows = { DTYPE_F32, n, net->spec.inputs, x };
    struct text text = { 0 };
    char head[128];
    char *out;
    size_t out_len;
    int head_len;

    if (raw) {
        memcpy(x, body, len);
    }
    net_predict(net, &rows, 0, n, y, scratch, NULL);
    if (raw) {
        text_add(&text, (const char *)y, n * outputs * sizeof *y);
    } else {
        text_str(&text, "{\"outputs\": ");
        text_rows(&text, y, n, outputs);
        text_str(&text, "}");
    }
    out = text_detach(&text, &out_len);
    head_len = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", out_len);
    struct iovec iov[2] = { { head, (size_t)head_len }, { out, out_len } };
    const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

    if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0) {
        perror("bare: send");
    }
    free(out);
}

/* False at the end of the connection. */
static bool on_readable(int fd)
{
    struct conn *conn = &conns[fd];
    const ssize_t got = recv(fd, conn->in + conn->len, BODY_MAX - conn->len, 0);
    const char *body, *length;
    size_t len;

    if (got <= 0) {
        return false;
    }
    conn->len += (size_t)got;
    conn->in[conn->len] = '\0';
    body = memmem(conn->in, conn->len, "\r\n\r\n", 4);
    if (body == NULL) {
        return true;
    }
    length = strcasestr(conn->in, "\ncontent-length:");
    len = length != NULL && length < body ? strtoul(length + 16, NULL, 10) : 0;
    body += 4;
    if ((size_t)(conn->in + conn->len - body) < len) {
        return true;
    }
    answer(fd, body, len, strncmp(conn->in, "POST /raw", 9) == 0);
    conn->len = 0;
    return true;
}

static int listen_on(int port)
{
    const int on = 1;
    const struct sockaddr_in at = { .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 1024) != 0) {
        perror("bare: listen");
        exit(1);
    }
    return fd;
}

static void serve(int listener)
{
    const int epoll = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, events[CONNS];

    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        const int n = epoll_wait(epoll, events, CONNS, -1);

        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;

            if (fd != listener) {
                if (!on_readable(fd)) {
                    close(fd);
                }
                continue;
            }
            fd = accept(listener, NULL, NULL);
            if (fd < 0 || fd >= CONNS) {
                exit(1);
            }
            event.data.fd = fd;
            conns[fd].len = 0;
            if (conns[fd].in == NULL) {
                conns[fd].in = malloc(BODY_MAX + 1);
            }
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        }
    }
}

int main(int argc, char **argv)
{
    struct net_spec spec = { .n_layers = 2, .cost = COST_MSE };
    struct err err = { 0 };

    if (argc != 5) {
        return 2;
    }
    spec.inputs = (size_t)atoi(argv[2]);
    spec.layers[0] = (struct layer_spec){ (size_t)atoi(argv[3]), ACT_SIGMOID };
    spec.layers[1] = (struct layer_spec){ (size_t)atoi(argv[4]), ACT_SIGMOID };
    if (!net_create(&spec, &net, &err)) {
        return 1;
    }
    net_init(net);
    x = malloc(ROWS_MAX * spec.inputs * sizeof *x);
    y = malloc(ROWS_MAX * spec_outputs(&spec) * sizeof *y);
    scratch = aligned_alloc(64, (net_scratch(net) + 63) / 64 * 64);
    puts("ready");
    fflush(stdout);
    serve(listen_on(atoi(argv[1])));
}

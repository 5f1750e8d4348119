/* Connections, as MHD has them: their deadline, their TLS, and who is at the other end. */
#include <stdlib.h>
#include <string.h>
#include <microhttpd.h>

#include "http_parts.h"
#include "server.h"
#include "tls.h"

/* TLS alone is asked for: NULL for other connections. */
static void *session_of(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    return info != NULL ? info->tls_session : NULL;
}

static int socket_of(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info != NULL ? info->connect_fd : -1;
}

struct connection *connection_open(struct http *http, struct MHD_Connection *conn)
{
    struct connection *connection = calloc(1, sizeof *connection);
    const int fd = socket_of(conn);

    if (connection == NULL) {
        return NULL;
    }
    connection->watch = fd >= 0 ? watch_open(http->watcher, fd) : NULL;
    if (http->tls != NULL) {
        void *session = session_of(conn);

        connection->keys = session != NULL ? tls_begin(http->tls, session) : NULL;
        if (connection->watch != NULL) {
            connection->watch->mute = true;
        }
    }
    return connection;
}

void connection_close(struct http *http, struct connection *connection)
{
    if (connection == NULL) {
        return;
    }
    if (connection->watch != NULL) {
        watch_close(http->watcher, connection->watch);
    }
    tls_end(connection->keys);
    free(connection->certificate);
    free(connection);
}

struct connection *connection_of(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info != NULL ? info->socket_context : NULL;
}

int request_unix_socket(const struct request *req)
{
    return strncmp(req->http->listener.url, "unix:", 5) == 0 ? socket_of(req->conn) : -1;
}

const char *request_certificate(struct request *req)
{
    struct connection *connection = connection_of(req->conn);

    if (connection == NULL || connection->keys == NULL || !tls_mutual(req->http->tls)) {
        return NULL;
    }
    if (!connection->certificate_read) {
        connection->certificate_read = true;
        connection->certificate = tls_peer_name(session_of(req->conn));
    }
    return connection->certificate;
}

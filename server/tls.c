#include "tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "log.h"

struct tls_keys {
    unsigned refs;
    gnutls_certificate_credentials_t credentials;
    gnutls_typed_vdata_st purpose; /* that clients' certificates must be good for, */
    unsigned char oid[sizeof GNUTLS_KP_TLS_WWW_CLIENT]; /* which is this */
    bool mutual;
    time_t expires;
};

struct tls {
    const char *cert, *key, *client_ca; /* borrowed; the last may be NULL */
    struct tls_keys *keys;              /* one reference */
};

void tls_end(struct tls_keys *keys)
{
    if (keys != NULL && --keys->refs == 0) {
        if (keys->credentials != NULL) {
            gnutls_certificate_free_credentials(keys->credentials);
        }
        free(keys);
    }
}

/* ---- the files ---- */

/* That it can be read, and for a key, that not everybody can; GnuTLS would only say that something
 * is wrong. */
static bool file_check(const char *path, const char *where, bool secret, struct err *err)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return err_set(err, ERR_FIELD, where, "%s cannot be read: %s", path, strerror(errno));
    }
    return !secret || (st.st_mode & S_IROTH) == 0 ||
           err_set(err, ERR_FIELD, where, "%s can be read by anybody: chmod o-r", path);
}

/* The first certificate's, which is the server's own. */
static bool expiry_read(struct tls_keys *keys, struct err *err)
{
    gnutls_datum_t der;
    gnutls_x509_crt_t crt;

    if (gnutls_certificate_get_crt_raw(keys->credentials, 0, 0, &der) != 0 ||
        gnutls_x509_crt_init(&crt) != 0) {
        return err_set(err, ERR_MEMORY, "--tls-cert", "does not fit into memory");
    }
    if (gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER) == 0) {
        keys->expires = gnutls_x509_crt_get_expiration_time(crt);
    }
    gnutls_x509_crt_deinit(crt);
    return true;
}

static bool keys_read(const struct tls *tls, struct tls_keys *keys, struct err *err)
{
    int rc;

    if (!file_check(tls->cert, "--tls-cert", false, err) ||
        !file_check(tls->key, "--tls-key", true, err) ||
        (keys->mutual && !file_check(tls->client_ca, "--tls-client-ca", false, err))) {
        return false;
    }
    rc = gnutls_certificate_set_x509_key_file(keys->credentials, tls->cert, tls->key,
                                              GNUTLS_X509_FMT_PEM);
    if (rc < 0) {
        return err_set(err, ERR_FIELD, "--tls-cert", "%s with the key %s: %s", tls->cert, tls->key,
                       gnutls_strerror(rc));
    }
    if (keys->mutual) {
        rc = gnutls_certificate_set_x509_trust_file(keys->credentials, tls->client_ca,
                                                    GNUTLS_X509_FMT_PEM);
        if (rc <= 0) {
            return err_set(err, ERR_FIELD, "--tls-client-ca", "%s has no certificate: %s",
                           tls->client_ca, gnutls_strerror(rc));
        }
    }
    return expiry_read(keys, err);
}

static struct tls_keys *keys_load(const struct tls *tls, struct err *err)
{
    struct tls_keys *keys = calloc(1, sizeof *keys);

    if (keys == NULL || gnutls_certificate_allocate_credentials(&keys->credentials) != 0) {
        free(keys);
        err_set(err, ERR_MEMORY, "--tls-cert", "does not fit into memory");
        return NULL;
    }
    keys->refs = 1;
    keys->mutual = tls->client_ca != NULL;
    keys->purpose.type = GNUTLS_DT_KEY_PURPOSE_OID;
    keys->purpose.data = memcpy(keys->oid, GNUTLS_KP_TLS_WWW_CLIENT, sizeof keys->oid);
    if (!keys_read(tls, keys, err)) {
        tls_end(keys);
        return NULL;
    }
    return keys;
}

bool tls_create(const char *cert, const char *key, const char *client_ca, struct tls **ret,
                struct err *err)
{
    struct tls *tls;

    if (cert == NULL && key == NULL && client_ca == NULL) {
        *ret = NULL;
        return true;
    }
    if (cert == NULL || key == NULL) {
        return err_set(err, ERR_FIELD, cert == NULL ? "--tls-cert" : "--tls-key",
                       "must be there as well: a certificate needs its key, and the other way "
                       "round, and clients' need both");
    }
    tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        return err_set(err, ERR_MEMORY, "--tls-cert", "does not fit into memory");
    }
    *tls = (struct tls){ cert, key, client_ca, NULL };
    tls->keys = keys_load(tls, err);
    if (tls->keys == NULL) {
        free(tls);
        return false;
    }
    *ret = tls;
    return true;
}

void tls_free(struct tls *tls)
{
    if (tls != NULL) {
        tls_end(tls->keys);
        free(tls);
    }
}

bool tls_reload(struct tls *tls, struct err *err)
{
    struct tls_keys *keys;

    if (tls == NULL) {
        return true;
    }
    keys = keys_load(tls, err);
    if (keys == NULL) {
        return false;
    }
    tls_end(tls->keys);
    tls->keys = keys;
    return true;
}

bool tls_mutual(const struct tls *tls)
{
    return tls != NULL && tls->keys->mutual;
}

void tls_log(const struct tls *tls)
{
    char when[sizeof "2000-01-01T00:00:00Z"];
    struct tm tm;

    if (tls == NULL || gmtime_r(&tls->keys->expires, &tm) == NULL ||
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        return;
    }
    if (tls->keys->expires > time(NULL)) {
        log_line("the certificate in %s is good until %s", tls->cert, when);
    } else {
        log_at(LEVEL_WARNING, "the certificate in %s has expired: %s", tls->cert, when);
    }
}

/* ---- a connection ---- */

struct tls_keys *tls_begin(struct tls *tls, void *session)
{
    struct tls_keys *keys = tls->keys;

    if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, keys->credentials) != 0) {
        return NULL;
    }
    if (keys->mutual) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_cert2(session, &keys->purpose, 1, 0);
    }
    keys->refs++;
    return keys;
}

/* Two names could be read as either's. */
static char *common_name(gnutls_x509_crt_t crt)
{
    char name[256], second[256];
    size_t len = sizeof name, len2 = sizeof second;

    if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &len) != 0 ||
        gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 1, 0, second, &len2) !=
            GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE ||
        strlen(name) != len) {
        return NULL;
    }
    return strdup(name);
}

char *tls_peer_name(void *session)
{
    unsigned n = 0;
    const gnutls_datum_t *certs = gnutls_certificate_get_peers(session, &n); /* borrowed */
    gnutls_x509_crt_t crt;
    char *name = NULL;

    if (certs == NULL || n == 0 || gnutls_x509_crt_init(&crt) != 0) {
        return NULL;
    }
    if (gnutls_x509_crt_import(crt, &certs[0], GNUTLS_X509_FMT_DER) == 0) {
        name = common_name(crt);
    }
    gnutls_x509_crt_deinit(crt);
    return name;
}

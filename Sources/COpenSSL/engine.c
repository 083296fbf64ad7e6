// The engine's C lines: a BIO over the loop's buffers, contexts (macros of OpenSSL), accept4 and epoll.
#define _GNU_SOURCE
#include "COpenSSL.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int bio_read(BIO *bio, char *into, int count) {
    causeway_bytes *bytes = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (bytes->input_length == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = bytes->input_length < (size_t)count ? bytes->input_length : (size_t)count;
    memcpy(into, bytes->input, n);
    bytes->input += n;
    bytes->input_length -= n;
    return (int)n;
}

static int bio_write(BIO *bio, const char *from, int count) {
    causeway_bytes *bytes = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (bytes->output_length + (size_t)count > bytes->output_capacity) {
        size_t capacity = (bytes->output_length + (size_t)count) * 2;
        unsigned char *grown = realloc(bytes->output, capacity);
        if (!grown) return -1;
        bytes->output = grown;
        bytes->output_capacity = capacity;
    }
    memcpy(bytes->output + bytes->output_length, from, (size_t)count);
    bytes->output_length += (size_t)count;
    return count;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static int bio_create(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

static void make_method(void) {
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "causeway");
    if (!method) return;
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_control);
    BIO_meth_set_create(method, bio_create);
}

BIO *causeway_bio_new(causeway_bytes *bytes) {
    pthread_once(&method_once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (bio) BIO_set_data(bio, bytes);
    return bio;
}

SSL_CTX *causeway_context_new(int server) {
    SSL_CTX *context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!context) return NULL;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE
                                     | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
                                  | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (server) {
        SSL_CTX_set_num_tickets(context, 1);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    }
    return context;
}

int causeway_context_tickets(SSL_CTX *context, const unsigned char *keys) {
    static const unsigned char policy[] = "causeway";
    return SSL_CTX_set_tlsext_ticket_keys(context, (void *)keys, causeway_ticket_key_bytes) == 1
        && SSL_CTX_set_session_id_context(context, policy, sizeof policy - 1) == 1;
}

int causeway_context_trust_system(SSL_CTX *context) { return SSL_CTX_set_default_verify_paths(context); }

int causeway_set_server_name(SSL *ssl, const char *name, int verify) {
    if (SSL_set_tlsext_host_name(ssl, name) != 1) return 0;
    if (!verify) return 1;
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    return SSL_set1_host(ssl, name);
}

void causeway_set_connection(SSL *ssl, void *connection) { SSL_set_app_data(ssl, connection); }

void *causeway_connection(const SSL *ssl) { return SSL_get_app_data(ssl); }

unsigned causeway_alpn(const SSL *ssl, const unsigned char **name) {
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl, name, &length);
    return length;
}

int causeway_accept(int listener, struct sockaddr_storage *peer, socklen_t *length) {
    return accept4(listener, (struct sockaddr *)peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int causeway_epoll_add(int epoll, int fd, uint32_t events, void *pointer) {
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.ptr = pointer;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int causeway_verify_address(SSL *ssl, const char *address) {
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), address);
}

int causeway_eventfd(int nonblocking) { return eventfd(0, EFD_CLOEXEC | (nonblocking ? EFD_NONBLOCK : 0)); }

int causeway_contains(const void *bytes, size_t count, const char *text) {
    return memmem(bytes, count, text, strlen(text)) != NULL;
}

int causeway_harden(void) {
    struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) | prctl(PR_SET_DUMPABLE, 0);
}

int causeway_use_identity(SSL *ssl, X509 *leaf, EVP_PKEY *key, X509 *const *chain, size_t chain_length) {
    if (SSL_use_certificate(ssl, leaf) != 1 || SSL_use_PrivateKey(ssl, key) != 1 || !SSL_clear_chain_certs(ssl)) return 0;
    for (size_t i = 0; i < chain_length; i++) {
        if (!SSL_add1_chain_cert(ssl, chain[i])) return 0;
    }
    return 1;
}

void causeway_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

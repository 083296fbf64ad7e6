// The engine's C lines: a BIO over the loop's buffers, contexts (macros of OpenSSL), accept4 and epoll.
#define _GNU_SOURCE
#include "COpenSSL.h"
#include <openssl/core_names.h>
#include <malloc.h>
#include <openssl/rand.h>
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

int causeway_attach(SSL *ssl, causeway_bytes *bytes) {
    if (!bytes->bio) {
        pthread_once(&method_once, make_method);
        bytes->bio = method ? BIO_new(method) : NULL;
        if (!bytes->bio) return 0;
        BIO_set_data(bytes->bio, bytes);
    }
    BIO_up_ref(bytes->bio);
    SSL_set_bio(ssl, bytes->bio, bytes->bio);
    return 1;
}

/// OpenSSL keeps the object itself for as long as the connection lives.
static void empty_key(EVP_PKEY *key) {
    EVP_PKEY_set_type(key, EVP_PKEY_get_id(key));
    EVP_PKEY_free(key);
}

void causeway_handshake_over(SSL *ssl) {
    EVP_PKEY *key = NULL;
    SSL_certs_clear(ssl);
    if (SSL_get_tmp_key(ssl, &key) == 1) empty_key(key);
    if (SSL_get_peer_tmp_key(ssl, &key) == 1) empty_key(key);
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
        // A ticket outlives no key: keys are replaced at least every hour, and the last three are kept.
        SSL_CTX_set_timeout(context, 2 * 60 * 60);
    }
    return context;
}

typedef struct {
    int count;
    unsigned char keys[causeway_ticket_keys][causeway_ticket_key_bytes];
} ticket_keys;

static int ticket_index = -1;
static pthread_once_t ticket_once = PTHREAD_ONCE_INIT;

static void free_tickets(void *parent, void *keys, CRYPTO_EX_DATA *data, int index, long number, void *pointer) {
    (void)parent, (void)data, (void)index, (void)number, (void)pointer;
    if (keys) OPENSSL_clear_free(keys, sizeof(ticket_keys));
}

static void make_ticket_index(void) { ticket_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_tickets); }

static int use_ticket_key(const unsigned char *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal) {
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(key + 16), 32),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key + 48, iv, seal) == 1 && EVP_MAC_CTX_set_params(mac, params) == 1;
}

/// 1: the ticket's key is known; 2: known, but the client should get a ticket of the newest; 0: not known; -1: failed.
static int ticket_callback(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal) {
    const ticket_keys *all = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ticket_index);
    if (!all || all->count == 0) return seal ? -1 : 0;
    if (seal) {
        memcpy(name, all->keys[0], 16);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
        return use_ticket_key(all->keys[0], iv, cipher, mac, 1) ? 1 : -1;
    }
    for (int i = 0; i < all->count; i++) {
        if (memcmp(name, all->keys[i], 16) != 0) continue;
        if (!use_ticket_key(all->keys[i], iv, cipher, mac, 0)) return -1;
        return i == 0 ? 1 : 2;
    }
    return 0;
}

int causeway_context_tickets(SSL_CTX *context, const unsigned char *keys, int count) {
    pthread_once(&ticket_once, make_ticket_index);
    if (ticket_index < 0 || count < 1 || count > causeway_ticket_keys) return 0;
    ticket_keys *all = SSL_CTX_get_ex_data(context, ticket_index);
    if (!all) {
        all = OPENSSL_zalloc(sizeof *all);
        if (!all || SSL_CTX_set_ex_data(context, ticket_index, all) != 1) return 0;
        if (SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_callback) != 1) return 0;
    }
    memcpy(all->keys, keys, (size_t)count * causeway_ticket_key_bytes);
    all->count = count;
    return 1;
}

const unsigned char *causeway_hello_server_name(SSL *ssl, size_t *length) {
    const unsigned char *bytes = NULL;
    size_t size = 0;
    // RFC 6066 section 3: a list of one entry, its type 0 (host name), and the name with a length of two bytes.
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &size) != 1 || size < 5 || bytes[2] != 0) return NULL;
    size_t name = (size_t)bytes[3] << 8 | bytes[4];
    if (name == 0 || name > size - 5) return NULL;
    *length = name;
    return bytes + 5;
}

int causeway_ask_client(SSL *ssl, int required, X509_STORE *store, X509 *const *authorities, size_t count, int depth) {
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    if (!names) return 0;
    for (size_t i = 0; i < count; i++) {
        X509_NAME *name = X509_NAME_dup(X509_get_subject_name(authorities[i]));
        if (!name || !sk_X509_NAME_push(names, name)) {
            X509_NAME_free(name);
            sk_X509_NAME_pop_free(names, X509_NAME_free);
            return 0;
        }
    }
    SSL_set0_CA_list(ssl, names);
    SSL_set_verify(ssl, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    SSL_set_verify_depth(ssl, depth);
    return SSL_set1_verify_cert_store(ssl, store) == 1;
}

int causeway_limit_tls(SSL *ssl, int lowest, int highest, const char *ciphers) {
    return SSL_set_min_proto_version(ssl, lowest) == 1 && SSL_set_max_proto_version(ssl, highest) == 1
        && (!ciphers || SSL_set_cipher_list(ssl, ciphers) == 1);
}

int causeway_trust(SSL *ssl, X509_STORE *store) { return SSL_set1_verify_cert_store(ssl, store) == 1; }

int causeway_set_server_name(SSL *ssl, const char *name, int verify) {
    if (SSL_set_tlsext_host_name(ssl, name) != 1) return 0;
    if (!verify) return 1;
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    return SSL_set1_host(ssl, name);
}

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

int causeway_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int causeway_contains(const void *bytes, size_t count, const char *text) {
    return memmem(bytes, count, text, strlen(text)) != NULL;
}

void causeway_keep_memory(void) {
    // Output comes and goes with each tick: by default half of it would go back to the kernel each time, and page by page
    // come again, zeroed.
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
    mallopt(M_MMAP_THRESHOLD, 2 << 20);
    // Beside a sanitizer's allocator this one is set up by the first call, which two threads must not make at once.
    malloc_trim(0);
}

void causeway_give_back_memory(void) { malloc_trim(0); }

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

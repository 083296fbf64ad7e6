// Helpers of Seal and TLSMaterial: stacks, unions and macros that Swift cannot import. No policy lives here.
#include "COpenSSL.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

long causeway_bio_bytes(BIO *bio, const unsigned char **bytes) {
    char *start = NULL;
    long length = BIO_get_mem_data(bio, &start);
    *bytes = (const unsigned char *)start;
    return length;
}

int causeway_passphrase(char *buffer, int size, int writing, void *passphrase) {
    const causeway_secret *secret = passphrase;
    (void)writing;
    // A passphrase that does not fit cannot be the right one: OpenSSL never encrypted with more.
    if (secret == NULL || secret->length > (size_t)size) return -1;
    if (secret->length > 0) memcpy(buffer, secret->bytes, secret->length);
    return (int)secret->length;
}

int causeway_print_name(BIO *bio, const X509_NAME *name) {
    unsigned long flags = XN_FLAG_ONELINE & ~(unsigned long)(ASN1_STRFLGS_ESC_MSB | XN_FLAG_SPC_EQ);
    return X509_NAME_print_ex(bio, name, 0, flags) >= 0;
}

int causeway_print_name_ascii(BIO *bio, const X509_NAME *name) {
    return X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0;
}

GENERAL_NAMES *causeway_san(const X509 *certificate, int *malformed) {
    int critical = -1;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    // -1: there is none; anything else without names: there is one that cannot be read, or more than one.
    *malformed = names == NULL && critical != -1;
    return names;
}

int causeway_san_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }

int causeway_san_type(const GENERAL_NAMES *names, int i) { return sk_GENERAL_NAME_value(names, i)->type; }

const ASN1_STRING *causeway_san_dns(const GENERAL_NAMES *names, int i) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    return name->type == GEN_DNS ? name->d.dNSName : NULL;
}

void causeway_san_free(GENERAL_NAMES *names) { GENERAL_NAMES_free(names); }

unsigned long causeway_server_refuses(X509 *const *chain, size_t count, EVP_PKEY *key) {
    unsigned long reason = ERR_PACK(ERR_LIB_SSL, 0, ERR_R_MALLOC_FAILURE);
    STACK_OF(X509) *rest = sk_X509_new_null();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    ERR_clear_error();
    if (rest == NULL || context == NULL || count == 0) goto done;
    for (size_t i = 1; i < count; i++) {
        if (!sk_X509_push(rest, chain[i])) goto done;
    }
    reason = 0;
    if (SSL_CTX_use_cert_and_key(context, chain[0], key, rest, 1) != 1) {
        reason = ERR_peek_error();
        if (reason == 0) reason = ERR_PACK(ERR_LIB_SSL, 0, ERR_R_INTERNAL_ERROR);
    }
done:
    ERR_clear_error();
    SSL_CTX_free(context);
    sk_X509_free(rest);
    return reason;
}

int causeway_knows_cipher(const char *name) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    int found = 0;
    if (!context) return 0;
    ERR_set_mark();
    if (SSL_CTX_set_cipher_list(context, name) == 1) {
        STACK_OF(SSL_CIPHER) *suites = SSL_CTX_get_ciphers(context);
        for (int i = 0; i < sk_SSL_CIPHER_num(suites); i++) {
            const SSL_CIPHER *suite = sk_SSL_CIPHER_value(suites, i);
            // Those of TLS 1.3 stand in every list.
            if (strcmp(SSL_CIPHER_get_name(suite), name) == 0) found = strcmp(SSL_CIPHER_get_version(suite), "TLSv1.3") != 0;
        }
    }
    ERR_pop_to_mark();
    SSL_CTX_free(context);
    return found;
}

static X509_STORE *system_authorities;
static pthread_once_t system_once = PTHREAD_ONCE_INIT;

static void open_system_authorities(void) {
    X509_STORE *store = X509_STORE_new();
    if (!store) return;
    // What is not installed is not found in it.
    X509_STORE_set_default_paths(store);
    system_authorities = store;
}

int causeway_system_issued(X509 *certificate) {
    pthread_once(&system_once, open_system_authorities);
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509 *issuer = NULL;
    int found = system_authorities && context && X509_STORE_CTX_init(context, system_authorities, certificate, NULL) == 1
        && X509_STORE_CTX_get1_issuer(&issuer, context, certificate) == 1;
    X509_free(issuer);
    X509_STORE_CTX_free(context);
    ERR_clear_error();
    return found;
}

int causeway_issuer_place(const X509 *certificate, char *text, size_t size) {
    AUTHORITY_INFO_ACCESS *places = X509_get_ext_d2i(certificate, NID_info_access, NULL, NULL);
    int found = 0;
    for (int i = 0; !found && i < sk_ACCESS_DESCRIPTION_num(places); i++) {
        const ACCESS_DESCRIPTION *place = sk_ACCESS_DESCRIPTION_value(places, i);
        if (OBJ_obj2nid(place->method) != NID_ad_ca_issuers || place->location->type != GEN_URI) continue;
        const ASN1_STRING *uri = place->location->d.uniformResourceIdentifier;
        const unsigned char *bytes = ASN1_STRING_get0_data(uri);
        size_t length = (size_t)ASN1_STRING_length(uri);
        if (length >= size || length < 8) continue;
        if (strncasecmp((const char *)bytes, "http://", 7) != 0 && strncasecmp((const char *)bytes, "https://", 8) != 0) continue;
        // It is shown to people: nothing that a terminal would act on.
        found = 1;
        for (size_t k = 0; k < length; k++) found &= bytes[k] > 0x20 && bytes[k] < 0x7f;
        if (!found) continue;
        memcpy(text, bytes, length);
        text[length] = 0;
    }
    AUTHORITY_INFO_ACCESS_free(places);
    ERR_clear_error();
    return found;
}

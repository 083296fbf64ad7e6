// Used by Seal and TLSMaterial: stacks, unions and macros of OpenSSL that Swift cannot import.
#pragma once
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/// Bytes that a callback reads while a call runs.
typedef struct {
    const unsigned char *bytes;
    size_t length;
} causeway_secret;

/// What a memory BIO holds; valid until the BIO changes.
long causeway_bio_bytes(BIO *bio, const unsigned char **bytes);

/// A `pem_password_cb` that answers with a `causeway_secret`; NULL gives none. Without a callback OpenSSL asks the terminal.
int causeway_passphrase(char *buffer, int size, int writing, void *passphrase);

/// Writes a name as `CN=demo.kubesre.com, O=…`: UTF-8 stays readable, what could act on a terminal is escaped. 1 on success.
int causeway_print_name(BIO *bio, const X509_NAME *name);
/// The same by RFC 2253, in ASCII.
int causeway_print_name_ascii(BIO *bio, const X509_NAME *name);

/// The subjectAltName of a certificate, NULL when there is none or it is malformed. Freed by `causeway_san_free`.
GENERAL_NAMES *causeway_san(const X509 *certificate, int *malformed);
int causeway_san_count(const GENERAL_NAMES *names);
int causeway_san_type(const GENERAL_NAMES *names, int i);
/// NULL unless that entry is a DNS name.
const ASN1_STRING *causeway_san_dns(const GENERAL_NAMES *names, int i);
void causeway_san_free(GENERAL_NAMES *names);

/// 1 when it is the name of a cipher suite of TLS 1.2 that this library uses, and of no group of them.
int causeway_knows_cipher(const char *name);

/// 0 when a TLS server of this library would present the chain (leaf first) with the key, else OpenSSL's error code.
unsigned long causeway_server_refuses(X509 *const *chain, size_t count, EVP_PKEY *key);

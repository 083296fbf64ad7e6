// Used by Seal and TLSMaterial: stacks, unions and macros of OpenSSL that Swift cannot import.
#pragma once
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
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

/// What came of reading a PKCS#12 file.
typedef enum {
    causeway_pkcs12_done,
    /// Not such a file, or damaged.
    causeway_pkcs12_malformed,
    /// The passphrase is not the one.
    causeway_pkcs12_locked,
    /// Encrypted or signed in a way that this OpenSSL does not know, or knows only with its legacy provider, which is not here.
    causeway_pkcs12_unsupported,
    /// It asks for more work on its passphrase than anybody's time is worth.
    causeway_pkcs12_costly,
    /// More certificates or keys than `causeway_pkcs12_most`.
    causeway_pkcs12_too_many,
} causeway_pkcs12_outcome;

enum { causeway_pkcs12_most = 16 };

/// DER, of certificates and of keys as PKCS#8; given back by `causeway_pkcs12_free`, which overwrites the keys.
typedef struct {
    unsigned char *certificates[causeway_pkcs12_most];
    int certificate_lengths[causeway_pkcs12_most];
    int certificate_count;
    unsigned char *keys[causeway_pkcs12_most];
    int key_lengths[causeway_pkcs12_most];
    int key_count;
} causeway_pkcs12;

/// Takes out what is in the file, in the order in which it stands there. `parts` is to be freed whatever comes of it.
causeway_pkcs12_outcome causeway_pkcs12_read(
    const unsigned char *bytes, size_t length, const causeway_secret *passphrase, causeway_pkcs12 *parts);
const unsigned char *causeway_pkcs12_certificate(const causeway_pkcs12 *parts, int i, int *length);
const unsigned char *causeway_pkcs12_key(const causeway_pkcs12 *parts, int i, int *length);
void causeway_pkcs12_free(causeway_pkcs12 *parts);

/// Whether the encrypted PKCS#8 key in that PEM asks for too much work on its passphrase.
int causeway_key_is_costly(BIO *bio);
/// Empties the error queue. Whether it said that an algorithm is not known here.
int causeway_said_unsupported(void);

/// Whether an authority that this machine trusts has issued the certificate.
int causeway_system_issued(X509 *certificate);

/// The first place (a URI of http or https) where the certificate says that its issuer's can be had; 0: it says none.
/// Written with its end into `text`, which has room for `size` bytes.
int causeway_issuer_place(const X509 *certificate, char *text, size_t size);

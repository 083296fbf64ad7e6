// Makes self-signed P-256 certificates for h00000.NAME and so on, each with its key (PKCS #8, key first) in DIR/00000.pem.
// openssl(1) takes 10 ms for one; ten thousand are wanted. usage: make-certificates COUNT NAME DIR
#include "wire.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum { WEEK = 7 * 24 * 3600, SKEW = 3600, VERSION_3 = 2 };

static X509 *self_signed(EVP_PKEY *key, const char *name, long serial) {
    char alternative[300];
    snprintf(alternative, sizeof alternative, "DNS:%s", name);
    X509 *certificate = X509_new();
    X509_set_version(certificate, VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -SKEW);
    X509_gmtime_adj(X509_getm_notAfter(certificate), WEEK);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    if (!X509_sign(certificate, key, EVP_sha256())) fail("sign");
    return certificate;
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: make-certificates COUNT NAME DIR\n");
        return 2;
    }
    for (long i = 0; i < atol(arguments[1]); i++) {
        char name[256], path[4096];
        snprintf(name, sizeof name, "h%05ld.%s", i, arguments[2]);
        snprintf(path, sizeof path, "%s/%05ld.pem", arguments[3], i);
        EVP_PKEY *key = EVP_EC_gen("P-256");
        if (!key) fail("key");
        X509 *certificate = self_signed(key, name, i + 1);
        FILE *file = fopen(path, "w");
        if (!file) fail(path);
        if (!PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) || !PEM_write_X509(file, certificate) ||
            fclose(file))
            fail(path);
        X509_free(certificate);
        EVP_PKEY_free(key);
    }
    return 0;
}

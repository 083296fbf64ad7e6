// PKCS#12 files taken apart. Not by PKCS12_parse: it takes the last of several keys without a word, and works on a passphrase
// for as long as the file wants.
#include "COpenSSL.h"

#include <pthread.h>
#include <string.h>
#include <openssl/provider.h>

/// About a second of one core. Files ask for 2,000 to 1,000,000.
static const int64_t most_iterations = 5000000;
/// N × r × p of scrypt; the usual is 2^17.
static const uint64_t most_scrypt = 1 << 22;
static const int most_depth = 4;

/// With RC2 and its like where OpenSSL's legacy provider is installed; for these files alone, so that TLS knows nothing of it.
static OSSL_LIB_CTX *library;
static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void open_library(void) {
    OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();
    if (!context) return;
    if (!OSSL_PROVIDER_load(context, "default")) {
        OSSL_LIB_CTX_free(context);
        return;
    }
    OSSL_PROVIDER_load(context, "legacy");
    ERR_clear_error();
    library = context;
}

int causeway_said_unsupported(void) {
    int found = 0;
    unsigned long error;
    while ((error = ERR_get_error()) != 0) {
        int reason = ERR_GET_REASON(error);
        switch (ERR_GET_LIB(error)) {
        case ERR_LIB_EVP:
            found |= reason == ERR_R_UNSUPPORTED || reason == EVP_R_UNSUPPORTED_ALGORITHM || reason == EVP_R_UNKNOWN_CIPHER
                || reason == EVP_R_UNSUPPORTED_CIPHER || reason == EVP_R_UNKNOWN_PBE_ALGORITHM || reason == EVP_R_UNSUPPORTED_PRF
                || reason == EVP_R_UNSUPPORTED_KEY_DERIVATION_FUNCTION;
            break;
        case ERR_LIB_PEM: found |= reason == PEM_R_UNSUPPORTED_ENCRYPTION || reason == PEM_R_UNSUPPORTED_CIPHER; break;
        case ERR_LIB_PKCS12: found |= reason == PKCS12_R_UNKNOWN_DIGEST_ALGORITHM; break;
        default: break;
        }
    }
    return found;
}

static int is_too_much(const ASN1_INTEGER *iterations) {
    int64_t count = 0;
    return iterations && (ASN1_INTEGER_get_int64(&count, iterations) != 1 || count > most_iterations);
}

static int is_too_much_scrypt(const SCRYPT_PARAMS *given) {
    uint64_t n = 0, r = 0, p = 0;
    if (ASN1_INTEGER_get_uint64(&n, given->costParameter) != 1 || ASN1_INTEGER_get_uint64(&r, given->blockSize) != 1
        || ASN1_INTEGER_get_uint64(&p, given->parallelizationParameter) != 1)
        return 1;
    return n > most_scrypt || r > most_scrypt || p > most_scrypt || n * r > most_scrypt || n * r * p > most_scrypt;
}

/// What cannot be read here is refused by whoever decrypts.
static int is_costly(const X509_ALGOR *algorithm) {
    if (!algorithm || !algorithm->parameter || algorithm->parameter->type != V_ASN1_SEQUENCE) return 0;
    int costly = 0;
    if (OBJ_obj2nid(algorithm->algorithm) != NID_pbes2) {
        PBEPARAM *given = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
        if (given) costly = is_too_much(given->iter);
        PBEPARAM_free(given);
        return costly;
    }
    PBE2PARAM *given = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
    const X509_ALGOR *function = given ? given->keyfunc : NULL;
    if (function && function->parameter && function->parameter->type == V_ASN1_SEQUENCE) {
        if (OBJ_obj2nid(function->algorithm) == NID_id_scrypt) {
            SCRYPT_PARAMS *scrypt = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), function->parameter);
            if (scrypt) costly = is_too_much_scrypt(scrypt);
            SCRYPT_PARAMS_free(scrypt);
        } else {
            PBKDF2PARAM *pbkdf2 = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), function->parameter);
            if (pbkdf2) costly = is_too_much(pbkdf2->iter);
            PBKDF2PARAM_free(pbkdf2);
        }
    }
    PBE2PARAM_free(given);
    return costly;
}

static int is_costly_key(const X509_SIG *key) {
    const X509_ALGOR *algorithm = NULL;
    X509_SIG_get0(key, &algorithm, NULL);
    return is_costly(algorithm);
}

int causeway_key_is_costly(BIO *bio) {
    X509_SIG *key = PEM_read_bio_PKCS8(bio, NULL, NULL, NULL);
    int costly = key && is_costly_key(key);
    X509_SIG_free(key);
    ERR_clear_error();
    return costly;
}

typedef struct {
    causeway_pkcs12 *parts;
    const char *passphrase;
    int length;
    /// The passphrase was checked: what does not open then is damaged.
    int is_checked;
} walk;

static causeway_pkcs12_outcome not_opened(const walk *all) {
    if (causeway_said_unsupported()) return causeway_pkcs12_unsupported;
    return all->is_checked ? causeway_pkcs12_malformed : causeway_pkcs12_locked;
}

static causeway_pkcs12_outcome take_certificate(causeway_pkcs12 *parts, const PKCS12_SAFEBAG *bag) {
    if (parts->certificate_count == causeway_pkcs12_most) return causeway_pkcs12_too_many;
    X509 *certificate = PKCS12_SAFEBAG_get1_cert(bag);
    unsigned char *der = NULL;
    int length = certificate ? i2d_X509(certificate, &der) : -1;
    X509_free(certificate);
    if (length <= 0) return causeway_pkcs12_malformed;
    parts->certificates[parts->certificate_count] = der;
    parts->certificate_lengths[parts->certificate_count++] = length;
    return causeway_pkcs12_done;
}

static causeway_pkcs12_outcome take_key(causeway_pkcs12 *parts, const PKCS8_PRIV_KEY_INFO *key) {
    if (parts->key_count == causeway_pkcs12_most) return causeway_pkcs12_too_many;
    unsigned char *der = NULL;
    int length = key ? i2d_PKCS8_PRIV_KEY_INFO(key, &der) : -1;
    if (length <= 0) return causeway_pkcs12_malformed;
    parts->keys[parts->key_count] = der;
    parts->key_lengths[parts->key_count++] = length;
    return causeway_pkcs12_done;
}

static causeway_pkcs12_outcome take_bags(const walk *all, const STACK_OF(PKCS12_SAFEBAG) *bags, int depth) {
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); i++) {
        const PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);
        causeway_pkcs12_outcome outcome = causeway_pkcs12_done;
        switch (PKCS12_SAFEBAG_get_nid(bag)) {
        case NID_keyBag: outcome = take_key(all->parts, PKCS12_SAFEBAG_get0_p8inf(bag)); break;
        case NID_pkcs8ShroudedKeyBag: {
            const X509_SIG *shrouded = PKCS12_SAFEBAG_get0_pkcs8(bag);
            if (!shrouded) return causeway_pkcs12_malformed;
            if (is_costly_key(shrouded)) return causeway_pkcs12_costly;
            PKCS8_PRIV_KEY_INFO *key = PKCS12_decrypt_skey_ex(bag, all->passphrase, all->length, library, NULL);
            outcome = key ? take_key(all->parts, key) : not_opened(all);
            PKCS8_PRIV_KEY_INFO_free(key);
            break;
        }
        case NID_certBag:
            if (PKCS12_SAFEBAG_get_bag_nid(bag) == NID_x509Certificate) outcome = take_certificate(all->parts, bag);
            break;
        case NID_safeContentsBag:
            if (depth == most_depth) return causeway_pkcs12_malformed;
            outcome = take_bags(all, PKCS12_SAFEBAG_get0_safes(bag), depth + 1);
            break;
        default: break;
        }
        if (outcome != causeway_pkcs12_done) return outcome;
    }
    return causeway_pkcs12_done;
}

static causeway_pkcs12_outcome take_safes(const walk *all, const PKCS12 *file) {
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(file);
    if (!safes) return causeway_pkcs12_malformed;
    causeway_pkcs12_outcome outcome = causeway_pkcs12_done;
    for (int i = 0; i < sk_PKCS7_num(safes) && outcome == causeway_pkcs12_done; i++) {
        PKCS7 *safe = sk_PKCS7_value(safes, i);
        STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
        switch (OBJ_obj2nid(safe->type)) {
        case NID_pkcs7_data:
            bags = PKCS12_unpack_p7data(safe);
            if (!bags) outcome = causeway_pkcs12_malformed;
            break;
        case NID_pkcs7_encrypted:
            if (!safe->d.encrypted || !safe->d.encrypted->enc_data) {
                outcome = causeway_pkcs12_malformed;
            } else if (is_costly(safe->d.encrypted->enc_data->algorithm)) {
                outcome = causeway_pkcs12_costly;
            } else {
                bags = PKCS12_unpack_p7encdata(safe, all->passphrase, all->length);
                if (!bags) outcome = not_opened(all);
            }
            break;
        // Encrypted for the holder of another certificate's key.
        default: outcome = causeway_pkcs12_unsupported;
        }
        if (bags) outcome = take_bags(all, bags, 0);
        sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    }
    sk_PKCS7_pop_free(safes, PKCS7_free);
    return outcome;
}

causeway_pkcs12_outcome causeway_pkcs12_read(
    const unsigned char *bytes, size_t length, const causeway_secret *passphrase, causeway_pkcs12 *parts
) {
    memset(parts, 0, sizeof *parts);
    pthread_once(&library_once, open_library);
    ERR_clear_error();
    PKCS12 *file = library ? PKCS12_init_ex(NID_pkcs7_data, library, NULL) : NULL;
    if (!file) return causeway_pkcs12_malformed;
    // Frees what it was given when it fails.
    const unsigned char *place = bytes;
    file = d2i_PKCS12(&file, &place, (long)length);
    causeway_pkcs12_outcome outcome = causeway_pkcs12_malformed;
    if (!file || place != bytes + length) goto done;
    walk all = {.parts = parts, .passphrase = (const char *)passphrase->bytes, .length = (int)passphrase->length};
    if (PKCS12_mac_present(file)) {
        const ASN1_INTEGER *iterations = NULL;
        PKCS12_get0_mac(NULL, NULL, NULL, &iterations, file);
        outcome = causeway_pkcs12_costly;
        if (is_too_much(iterations)) goto done;
        all.is_checked = PKCS12_verify_mac(file, all.passphrase, all.length) == 1;
        // Without a passphrase some write the empty one, some none at all.
        if (!all.is_checked && all.length == 0) {
            all.passphrase = all.passphrase ? NULL : "";
            all.is_checked = PKCS12_verify_mac(file, all.passphrase, 0) == 1;
        }
        outcome = causeway_said_unsupported() ? causeway_pkcs12_unsupported : causeway_pkcs12_locked;
        if (!all.is_checked) goto done;
    }
    outcome = take_safes(&all, file);
done:
    PKCS12_free(file);
    ERR_clear_error();
    return outcome;
}

const unsigned char *causeway_pkcs12_certificate(const causeway_pkcs12 *parts, int i, int *length) {
    *length = parts->certificate_lengths[i];
    return parts->certificates[i];
}

const unsigned char *causeway_pkcs12_key(const causeway_pkcs12 *parts, int i, int *length) {
    *length = parts->key_lengths[i];
    return parts->keys[i];
}

void causeway_pkcs12_free(causeway_pkcs12 *parts) {
    for (int i = 0; i < parts->certificate_count; i++) OPENSSL_free(parts->certificates[i]);
    for (int i = 0; i < parts->key_count; i++) OPENSSL_clear_free(parts->keys[i], (size_t)parts->key_lengths[i]);
    memset(parts, 0, sizeof *parts);
}

// A built-in OpenSSL provider with two things in it: randomness drawn from the host of the node at work, and an Ed25519
// key that has no private half here and asks that host to sign (RFC 8032 pure Ed25519, as TLS 1.3 uses it, RFC 8446
// §4.2.3). It deliberately cannot export a key: OpenSSL would otherwise move the public half into its default provider,
// and try to sign there.
#include "quic/provider.h"
#include "quic/scope.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <string.h>

#define SIGNATURE_SIZE 64
#define ED25519_NAMES  "ED25519:1.3.101.112"
#define PROPERTIES     "provider=" QE_PROVIDER_NAME

// A key: nothing but its public half. Only qe_provider_identity makes one.
struct identity_key {
    struct qe_key key;
    bool known;
};

struct provider {
    const OSSL_CORE_HANDLE *core;
    OSSL_FUNC_BIO_write_ex_fn *bio_write;
};

static void *key_new(void *provider)
{
    (void)provider;
    return OPENSSL_zalloc(sizeof(struct identity_key));
}

static void key_free(void *key)
{
    OPENSSL_free(key);
}

static int key_has(const void *data, int selection)
{
    const struct identity_key *key = data;
    // It can sign, so it answers for its private half as well.
    return (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) == 0 || key->known;
}

static int key_match(const void *a, const void *b, int selection)
{
    (void)selection;
    const struct identity_key *x = a, *y = b;
    return x->known && y->known && memcmp(x->key.bytes, y->key.bytes, sizeof x->key.bytes) == 0;
}

static int key_import(void *data, int selection, const OSSL_PARAM params[])
{
    struct identity_key *key = data;
    (void)selection;
    const OSSL_PARAM *public = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PUB_KEY);
    void *bytes = key->key.bytes;
    size_t size = 0;
    if (!public || !OSSL_PARAM_get_octet_string(public, &bytes, sizeof key->key.bytes, &size)) return 0;
    key->known = size == sizeof key->key.bytes;
    return key->known;
}

static const OSSL_PARAM *key_import_types(int selection)
{
    static const OSSL_PARAM types[] = {OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0), OSSL_PARAM_END};
    return selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY ? types : NULL;
}

static int key_get_params(void *data, OSSL_PARAM params[])
{
    const struct identity_key *key = data;
    OSSL_PARAM *p;
    if ((p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_BITS)) && !OSSL_PARAM_set_int(p, 256)) return 0;
    if ((p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_SECURITY_BITS)) && !OSSL_PARAM_set_int(p, 128)) return 0;
    if ((p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_MAX_SIZE)) && !OSSL_PARAM_set_int(p, SIGNATURE_SIZE)) return 0;
    // Ed25519 hashes by itself: no digest may be named.
    if ((p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_MANDATORY_DIGEST)) && !OSSL_PARAM_set_utf8_string(p, ""))
        return 0;
    if ((p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_PUB_KEY)) &&
        !OSSL_PARAM_set_octet_string(p, key->key.bytes, sizeof key->key.bytes))
        return 0;
    return 1;
}

static const OSSL_PARAM *key_gettable_params(void *provider)
{
    (void)provider;
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_END,
    };
    return params;
}

static const char *key_operation_name(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "ED25519" : NULL;
}

static const OSSL_DISPATCH key_functions[] = {
    {OSSL_FUNC_KEYMGMT_NEW, (void (*)(void))key_new},
    {OSSL_FUNC_KEYMGMT_FREE, (void (*)(void))key_free},
    {OSSL_FUNC_KEYMGMT_HAS, (void (*)(void))key_has},
    {OSSL_FUNC_KEYMGMT_MATCH, (void (*)(void))key_match},
    {OSSL_FUNC_KEYMGMT_IMPORT, (void (*)(void))key_import},
    {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (void (*)(void))key_import_types},
    {OSSL_FUNC_KEYMGMT_GET_PARAMS, (void (*)(void))key_get_params},
    {OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (void (*)(void))key_gettable_params},
    {OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (void (*)(void))key_operation_name},
    OSSL_DISPATCH_END,
};

struct signing {
    const struct identity_key *key;
};

static void *signing_new(void *provider, const char *properties)
{
    (void)provider;
    (void)properties;
    return OPENSSL_zalloc(sizeof(struct signing));
}

static void signing_free(void *signing)
{
    OPENSSL_free(signing);
}

static int signing_init(void *data, const char *digest, void *key, const OSSL_PARAM params[])
{
    struct signing *signing = data;
    (void)params;
    if (digest && digest[0]) return 0;
    if (key) signing->key = key;
    return signing->key && signing->key->known;
}

static int signing_sign(
    void *data, unsigned char *out, size_t *out_size, size_t room, const unsigned char *input, size_t input_size)
{
    const struct signing *signing = data;
    if (!out) {
        *out_size = SIGNATURE_SIZE;
        return 1;
    }
    const struct qe_host *host = qe_quic_current ? qe_quic_current->host : NULL;
    // The key must be the one of the node at work: another node's host would sign with another identity.
    if (!host || room < SIGNATURE_SIZE || !qe_key_equal(&host->identity, &signing->key->key)) return 0;
    if (host->secret(host->user, QE_SECRET_IDENTITY, QE_SECRET_SIGN, qe_span(input, input_size), out, SIGNATURE_SIZE))
        return 0;
    *out_size = SIGNATURE_SIZE;
    return 1;
}

static const OSSL_DISPATCH signature_functions[] = {
    {OSSL_FUNC_SIGNATURE_NEWCTX, (void (*)(void))signing_new},
    {OSSL_FUNC_SIGNATURE_FREECTX, (void (*)(void))signing_free},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (void (*)(void))signing_init},
    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (void (*)(void))signing_sign},
    OSSL_DISPATCH_END,
};

// The key as a SubjectPublicKeyInfo in DER (RFC 8410 §4), which is what a raw public key is on the wire (RFC 7250 §3).

static void *encoder_new(void *provider)
{
    return provider;
}

static void encoder_free(void *encoder)
{
    (void)encoder;
}

static int encoder_does_selection(void *encoder, int selection)
{
    (void)encoder;
    return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) && !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY);
}

static int encoder_encode(void *encoder, OSSL_CORE_BIO *out, const void *object, const OSSL_PARAM abstract[],
    int selection, OSSL_PASSPHRASE_CALLBACK *passphrase, void *passphrase_arg)
{
    static const uint8_t prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    const struct provider *provider = encoder;
    const struct identity_key *key = object;
    (void)selection;
    (void)passphrase;
    (void)passphrase_arg;
    if (abstract || !key || !key->known) return 0;
    uint8_t der[sizeof prefix + sizeof key->key.bytes];
    size_t written = 0;
    memcpy(der, prefix, sizeof prefix);
    memcpy(der + sizeof prefix, key->key.bytes, sizeof key->key.bytes);
    return provider->bio_write(out, der, sizeof der, &written) && written == sizeof der;
}

static const OSSL_DISPATCH encoder_functions[] = {
    {OSSL_FUNC_ENCODER_NEWCTX, (void (*)(void))encoder_new},
    {OSSL_FUNC_ENCODER_FREECTX, (void (*)(void))encoder_free},
    {OSSL_FUNC_ENCODER_DOES_SELECTION, (void (*)(void))encoder_does_selection},
    {OSSL_FUNC_ENCODER_ENCODE, (void (*)(void))encoder_encode},
    OSSL_DISPATCH_END,
};

static const OSSL_ALGORITHM keys[] = {
    {ED25519_NAMES, PROPERTIES, key_functions, "identity key held by the host"},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM signatures[] = {
    {ED25519_NAMES, PROPERTIES, signature_functions, "signature made by the host"},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM encoders[] = {
    {ED25519_NAMES, PROPERTIES ",output=der,structure=SubjectPublicKeyInfo", encoder_functions, "public half in DER"},
    {NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *no_cache)
{
    (void)provider;
    *no_cache = 0;
    switch (operation) {
    case OSSL_OP_KEYMGMT:
        return keys;
    case OSSL_OP_SIGNATURE:
        return signatures;
    case OSSL_OP_ENCODER:
        return encoders;
    default:
        return NULL;
    }
}

static int provider_random(void *provider, int which, void *out, size_t size, unsigned strength)
{
    (void)provider;
    (void)which;
    (void)strength;
    if (!qe_quic_current) return 0;
    qe_quic_current->host->random(qe_quic_current->host->user, QE_RANDOM_TLS, out, size);
    return 1;
}

static void provider_teardown(void *provider)
{
    OPENSSL_free(provider);
}

static const OSSL_DISPATCH provider_functions[] = {
    {OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))provider_teardown},
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))provider_query},
    {OSSL_FUNC_PROVIDER_RANDOM_BYTES, (void (*)(void))provider_random},
    OSSL_DISPATCH_END,
};

static int provider_init(
    const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **context)
{
    struct provider *provider = OPENSSL_zalloc(sizeof *provider);
    if (!provider) return 0;
    provider->core = core;
    for (; in->function_id != 0; in++)
        if (in->function_id == OSSL_FUNC_BIO_WRITE_EX) provider->bio_write = OSSL_FUNC_BIO_write_ex(in);
    *out = provider_functions;
    *context = provider;
    return provider->bio_write != NULL;
}

OSSL_PROVIDER *qe_provider_load(OSSL_LIB_CTX *context)
{
    if (!OSSL_PROVIDER_add_builtin(context, QE_PROVIDER_NAME, provider_init)) return NULL;
    OSSL_PROVIDER *provider = OSSL_PROVIDER_load(context, QE_PROVIDER_NAME);
    if (provider && !RAND_set1_random_provider(context, provider)) {
        OSSL_PROVIDER_unload(provider);
        return NULL;
    }
    return provider;
}

EVP_PKEY *qe_provider_identity(OSSL_LIB_CTX *context, const struct qe_key *key)
{
    struct qe_key copy = *key;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy.bytes, sizeof copy.bytes),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *out = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(context, "ED25519", PROPERTIES);
    if (!ctx || EVP_PKEY_fromdata_init(ctx) <= 0 || EVP_PKEY_fromdata(ctx, &out, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        out = NULL;
    EVP_PKEY_CTX_free(ctx);
    return out;
}

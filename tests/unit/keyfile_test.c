// The identity key's file, and what is done with the key (realio/identity.c).
#include "../../realio/identity.h"
#include "scratch.h"
#include "unit.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct qe_fault fault;

static struct qe_identity *open_identity(void)
{
    struct qe_identity *identity = NULL;
    fault.text[0] = '\0';
    return qe_identity_open(&identity, scratch_path(""), &fault) ? NULL : identity;
}

static void the_first_start_makes_a_key_and_the_next_finds_it(void)
{
    scratch_begin();
    struct qe_identity *first = open_identity(), *second = open_identity();
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_PTR_NOT_NULL_FATAL(second);
    struct qe_key a = qe_identity_public(first), b = qe_identity_public(second);
    CU_ASSERT_EQUAL(memcmp(&a, &b, sizeof a), 0);
    struct stat st;
    CU_ASSERT_EQUAL(stat(scratch_path(QE_IDENTITY_FILE), &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    CU_ASSERT_EQUAL(scratch_count(""), 1);
    qe_identity_close(first);
    qe_identity_close(second);
    scratch_end();
    scratch_begin();
    first = open_identity();
    struct qe_key c = qe_identity_public(first);
    CU_ASSERT_NOT_EQUAL(memcmp(&a, &c, sizeof a), 0);
    qe_identity_close(first);
    scratch_end();
}

// RFC 8032 §7.1, test 3.
static void signatures_are_those_of_rfc_8032(void)
{
    uint8_t seed[32], expected_key[32], expected[64], signature[64];
    size_t size;
    sodium_hex2bin(seed, 32, "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", 64, NULL, &size, NULL);
    sodium_hex2bin(
        expected_key, 32, "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", 64, NULL, &size, NULL);
    sodium_hex2bin(expected, 64,
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        128, NULL, &size, NULL);
    char seed64[64], key64[64], text[256];
    sodium_bin2base64(seed64, sizeof seed64, seed, 32, sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(key64, sizeof key64, expected_key, 32, sodium_base64_VARIANT_ORIGINAL);
    int length = snprintf(text, sizeof text, "quicether-ed25519-seed:%s:%s\n", seed64, key64);
    scratch_begin();
    scratch_write(QE_IDENTITY_FILE, text, (size_t)length, 0600);
    struct qe_identity *identity = open_identity();
    CU_ASSERT_PTR_NOT_NULL_FATAL(identity);
    struct qe_key key = qe_identity_public(identity);
    CU_ASSERT_EQUAL(memcmp(key.bytes, expected_key, 32), 0);
    CU_ASSERT_EQUAL(
        qe_identity_secret(identity, QE_SECRET_SIGN, qe_span("\xaf\x82", 2), signature, sizeof signature), 0);
    CU_ASSERT_EQUAL(memcmp(signature, expected, 64), 0);
    CU_ASSERT_EQUAL(qe_identity_secret(identity, QE_SECRET_SIGN, qe_span("", 0), signature, 63), -1);
    qe_identity_close(identity);
    scratch_end();
}

static void macs_depend_on_key_and_input_only(void)
{
    uint8_t a[32], b[32], c[32], d[32];
    scratch_begin();
    struct qe_identity *identity = open_identity();
    CU_ASSERT_EQUAL(qe_identity_secret(identity, QE_SECRET_MAC, qe_span("x", 1), a, 32), 0);
    CU_ASSERT_EQUAL(qe_identity_secret(identity, QE_SECRET_MAC, qe_span("y", 1), b, 32), 0);
    qe_identity_close(identity);
    identity = open_identity();
    CU_ASSERT_EQUAL(qe_identity_secret(identity, QE_SECRET_MAC, qe_span("x", 1), c, 32), 0);
    CU_ASSERT_EQUAL(qe_identity_secret(identity, QE_SECRET_MAC, qe_span("x", 1), c, 16), -1);
    qe_identity_close(identity);
    scratch_end();
    scratch_begin();
    identity = open_identity();
    CU_ASSERT_EQUAL(qe_identity_secret(identity, QE_SECRET_MAC, qe_span("x", 1), d, 32), 0);
    qe_identity_close(identity);
    scratch_end();
    CU_ASSERT_EQUAL(memcmp(a, c, 32), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, 32), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(a, d, 32), 0);
}

static void a_damaged_file_is_refused_by_name_and_kept(void)
{
    char bytes[256], after[256];
    scratch_begin();
    qe_identity_close(open_identity());
    size_t size = scratch_read(QE_IDENTITY_FILE, bytes, sizeof bytes - 1);
    CU_ASSERT(size > 100);
    for (size_t i = 0; i <= size + 1; i++) {
        char damaged[256];
        memcpy(damaged, bytes, size);
        damaged[size] = 'x';
        size_t damaged_size = i == size ? 0 : i == size + 1 ? size + 1 : size;
        // Another base64 digit, whatever was there.
        if (i < size) damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
        scratch_write(QE_IDENTITY_FILE, damaged, damaged_size, 0600);
        CU_ASSERT_PTR_NULL(open_identity());
        CU_ASSERT_EQUAL(fault.exit, QE_EXIT_STATE);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "/" QE_IDENTITY_FILE " is damaged"));
        CU_ASSERT_EQUAL(scratch_read(QE_IDENTITY_FILE, after, sizeof after), damaged_size);
        CU_ASSERT_EQUAL(memcmp(after, damaged, damaged_size), 0);
    }
    for (size_t cut = 1; cut < size; cut++) {
        scratch_write(QE_IDENTITY_FILE, bytes, cut, 0600);
        CU_ASSERT_PTR_NULL(open_identity());
    }
    scratch_write(QE_IDENTITY_FILE, bytes, size, 0600);
    struct qe_identity *identity = open_identity();
    CU_ASSERT_PTR_NOT_NULL(identity);
    qe_identity_close(identity);
    scratch_end();
}

static void a_file_that_others_may_read_is_refused(void)
{
    static const unsigned modes[] = {0604, 0640, 0602, 0620, 0601, 0610, 0644, 0666, 0777};
    scratch_begin();
    qe_identity_close(open_identity());
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        CU_ASSERT_EQUAL(chmod(scratch_path(QE_IDENTITY_FILE), modes[i]), 0);
        CU_ASSERT_PTR_NULL(open_identity());
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "chmod 600"));
    }
    CU_ASSERT_EQUAL(chmod(scratch_path(QE_IDENTITY_FILE), 0400), 0);
    struct qe_identity *identity = open_identity();
    CU_ASSERT_PTR_NOT_NULL(identity);
    qe_identity_close(identity);
    scratch_end();
}

static void what_is_no_plain_file_is_refused(void)
{
    scratch_begin();
    CU_ASSERT_EQUAL(mkdir(scratch_path(QE_IDENTITY_FILE), 0700), 0);
    CU_ASSERT_PTR_NULL(open_identity());
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "not a regular file"));
    rmdir(scratch_path(QE_IDENTITY_FILE));
    CU_ASSERT_EQUAL(symlink("elsewhere", scratch_path(QE_IDENTITY_FILE)), 0);
    CU_ASSERT_PTR_NULL(open_identity());
    unlink(scratch_path(QE_IDENTITY_FILE));
    CU_ASSERT_EQUAL(mkfifo(scratch_path(QE_IDENTITY_FILE), 0600), 0);
    CU_ASSERT_PTR_NULL(open_identity());
    scratch_end();
    // And no folder at all.
    CU_ASSERT_PTR_NULL(open_identity());
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "No such file"));
}

static void many_at_once_end_with_one_key(void)
{
    scratch_begin();
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    for (int i = 0; i < 8; i++) {
        if (fork() != 0) continue;
        struct qe_identity *identity = open_identity();
        struct qe_key key = {{0}};
        if (identity) key = qe_identity_public(identity);
        _exit(write(ends[1], &key, sizeof key) != (ssize_t)sizeof key);
    }
    struct qe_key first, next;
    for (int i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(read(ends[0], &next, sizeof next), (ssize_t)sizeof next);
        if (i == 0) first = next;
        CU_ASSERT_EQUAL(memcmp(&first, &next, sizeof first), 0);
        wait(NULL);
    }
    CU_ASSERT_FALSE(sodium_is_zero(first.bytes, sizeof first.bytes));
    CU_ASSERT_EQUAL(scratch_count(""), 1);
    close(ends[0]);
    close(ends[1]);
    scratch_end();
}

static const struct unit_case cases[] = {
    {"the first start makes a key and the next finds it", the_first_start_makes_a_key_and_the_next_finds_it},
    {"signatures are those of RFC 8032", signatures_are_those_of_rfc_8032},
    {"MACs depend on key and input only", macs_depend_on_key_and_input_only},
    {"a damaged file is refused by name and kept", a_damaged_file_is_refused_by_name_and_kept},
    {"a file that others may read is refused", a_file_that_others_may_read_is_refused},
    {"what is no plain file is refused", what_is_no_plain_file_is_refused},
    {"many at once end with one key", many_at_once_end_with_one_key},
};
UNIT_MAIN("keyfile", cases)

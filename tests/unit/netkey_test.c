#include "netkey.h"
#include "scratch.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct qe_fault fault;

static void path_of(const char *dir, char out[512])
{
    snprintf(out, 512, "%s/%s", dir, QE_NETWORK_FILE);
}

static void spoil(const char *dir, long at, char with)
{
    char path[512];
    path_of(dir, path);
    FILE *file = fopen(path, "r+b");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fseek(file, at, SEEK_SET);
    fputc(with, file);
    fclose(file);
}

static void a_node_without_a_key_is_in_no_network(void)
{
    struct qe_network *network;
    char id[QE_NETWORK_ID_SIZE];
    uint8_t out[32];
    const char *dir = scratch_begin();
    CU_ASSERT_EQUAL_FATAL(qe_network_open(&network, dir, &fault), 0);
    CU_ASSERT(!qe_network_member(network));
    CU_ASSERT_STRING_EQUAL(qe_network_id(network, id), "");
    CU_ASSERT_EQUAL(qe_network_secret(network, QE_SECRET_MAC, qe_span("x", 1), out, sizeof out), -1);
    qe_network_close(network);
    qe_network_close(NULL);
    scratch_end();
}

static void a_network_is_the_same_after_a_restart(void)
{
    struct qe_network *network;
    struct stat st;
    char id[QE_NETWORK_ID_SIZE], again[QE_NETWORK_ID_SIZE], path[512];
    uint8_t mac[32], mac_again[32];
    const char *dir = scratch_begin();
    CU_ASSERT_EQUAL_FATAL(qe_network_open(&network, dir, &fault), 0);
    CU_ASSERT_EQUAL_FATAL(qe_network_make(network, &fault), 0);
    qe_network_id(network, id);
    CU_ASSERT_EQUAL(strlen(id), 16);
    CU_ASSERT_EQUAL(qe_network_secret(network, QE_SECRET_MAC, qe_span("x", 1), mac, sizeof mac), 0);
    qe_network_close(network);
    path_of(dir, path);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    CU_ASSERT_EQUAL_FATAL(qe_network_open(&network, dir, &fault), 0);
    CU_ASSERT(qe_network_member(network));
    CU_ASSERT_STRING_EQUAL(qe_network_id(network, again), id);
    CU_ASSERT_EQUAL(qe_network_secret(network, QE_SECRET_MAC, qe_span("x", 1), mac_again, sizeof mac_again), 0);
    CU_ASSERT_EQUAL(memcmp(mac, mac_again, sizeof mac), 0);
    // Another one replaces it.
    CU_ASSERT_EQUAL(qe_network_make(network, &fault), 0);
    CU_ASSERT_STRING_NOT_EQUAL(qe_network_id(network, again), id);
    qe_network_close(network);
    CU_ASSERT_EQUAL(qe_network_erase(dir, &fault), 0);
    CU_ASSERT_EQUAL(qe_network_erase(dir, &fault), -1);
    CU_ASSERT_EQUAL_FATAL(qe_network_open(&network, dir, &fault), 0);
    CU_ASSERT(!qe_network_member(network));
    qe_network_close(network);
    scratch_end();
}

static void damage_and_curious_others_are_refused(void)
{
    struct qe_network *network;
    char path[512];
    const char *dir = scratch_begin();
    CU_ASSERT_EQUAL_FATAL(qe_network_open(&network, dir, &fault), 0);
    CU_ASSERT_EQUAL_FATAL(qe_network_make(network, &fault), 0);
    qe_network_close(network);
    path_of(dir, path);
    struct stat st;
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    chmod(path, 0640);
    CU_ASSERT_EQUAL(qe_network_open(&network, dir, &fault), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "is open to others (mode 0640)"));
    CU_ASSERT_EQUAL(fault.exit, QE_EXIT_STATE);
    chmod(path, 0600);
    for (long at = 0; at < st.st_size; at++) {
        FILE *file = fopen(path, "rb");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        fseek(file, at, SEEK_SET);
        int byte = fgetc(file);
        fclose(file);
        spoil(dir, at, byte == 'A' ? 'B' : 'A');
        CU_ASSERT_EQUAL(qe_network_open(&network, dir, &fault), -1);
        CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "is damaged"));
        spoil(dir, at, (char)byte);
    }
    CU_ASSERT_EQUAL(truncate(path, st.st_size - 1), 0);
    CU_ASSERT_EQUAL(qe_network_open(&network, dir, &fault), -1);
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_EQUAL(symlink("/dev/null", path), 0);
    CU_ASSERT_EQUAL(qe_network_open(&network, dir, &fault), -1);
    scratch_end();
}

static void what_cannot_be_kept_is_not_taken(void)
{
    struct qe_network *network;
    char path[512], id[QE_NETWORK_ID_SIZE];
    const char *dir = scratch_begin();
    CU_ASSERT_EQUAL_FATAL(qe_network_open(&network, dir, &fault), 0);
    // A folder stands where the unfinished file would be.
    snprintf(path, sizeof path, "%s/" QE_NETWORK_FILE ".new", dir);
    CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
    CU_ASSERT_EQUAL(qe_network_make(network, &fault), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "cannot keep the network key"));
    CU_ASSERT(!qe_network_member(network));
    CU_ASSERT_STRING_EQUAL(qe_network_id(network, id), "");
    qe_network_close(network);
    scratch_end();
}

static const struct unit_case cases[] = {
    {"a node without a key is in no network", a_node_without_a_key_is_in_no_network},
    {"a network is the same after a restart", a_network_is_the_same_after_a_restart},
    {"damage and curious others are refused", damage_and_curious_others_are_refused},
    {"what cannot be kept is not taken", what_cannot_be_kept_is_not_taken},
};
UNIT_MAIN("netkey", cases)

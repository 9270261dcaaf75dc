#include "identity/identity.h"
#include "unit.h"

#include <string.h>

// BEP 44, test vector "mutable": the key, and its target (the SHA-1 of it).
static const struct qe_key bep44_key = {{0x77, 0xff, 0x84, 0x90, 0x5a, 0x91, 0x93, 0x63, 0x67, 0xc0, 0x13, 0x60, 0x80,
    0x31, 0x04, 0xf9, 0x24, 0x32, 0xfc, 0xd9, 0x04, 0xa4, 0x35, 0x11, 0x87, 0x6d, 0xf5, 0xcd, 0xf3, 0xe7, 0xe5, 0x48}};
static const uint8_t bep44_target[20] = {0x4a, 0x53, 0x3d, 0x47, 0xec, 0x9c, 0x7d, 0x95, 0xb1, 0xad, 0x75, 0xf5, 0x76,
    0xcf, 0xfc, 0x64, 0x18, 0x53, 0xb7, 0x50};

static void an_id_is_the_bep44_target_of_its_key(void)
{
    struct qe_node_id id = qe_node_id_from_key(&bep44_key);
    CU_ASSERT_EQUAL(memcmp(id.bytes, bep44_target, 20), 0);
}

static void ids_survive_a_round_trip_in_either_case(void)
{
    struct unit_random random = unit_random();
    for (int i = 0; i < 1000; i++) {
        struct qe_node_id id, back;
        char text[QE_NODE_ID_TEXT_SIZE];
        unit_random_fill(&random, id.bytes, sizeof id.bytes);
        qe_node_id_format(&id, text);
        CU_ASSERT_EQUAL(strlen(text), 34);
        CU_ASSERT_TRUE(qe_node_id_parse(text, &back) && qe_node_id_equal(&id, &back));
        for (char *p = text; *p; p++)
            if (*p >= 'a') *p = (char)(*p - 'a' + 'A');
        CU_ASSERT_TRUE(qe_node_id_parse(text, &back) && qe_node_id_equal(&id, &back));
    }
}

static void prefixes_and_strangers_are_no_ids(void)
{
    struct qe_node_id id;
    CU_ASSERT_TRUE(qe_node_id_parse("qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &id));
    CU_ASSERT_FALSE(qe_node_id_parse("qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &id));
    CU_ASSERT_FALSE(qe_node_id_parse("qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &id));
    CU_ASSERT_FALSE(qe_node_id_parse("qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1", &id));
    CU_ASSERT_FALSE(qe_node_id_parse("xxaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &id));
    CU_ASSERT_FALSE(qe_node_id_parse("", &id));
}

static void names_are_short_plain_and_no_ids(void)
{
    char name[QE_NAME_SIZE + 1];
    CU_ASSERT_TRUE(qe_name_valid("node_abc123"));
    CU_ASSERT_TRUE(qe_name_valid("home-server"));
    CU_ASSERT_FALSE(qe_name_valid(""));
    CU_ASSERT_FALSE(qe_name_valid("Home"));
    CU_ASSERT_FALSE(qe_name_valid("a.b"));
    CU_ASSERT_FALSE(qe_name_valid("qeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    memset(name, 'a', sizeof name);
    name[63] = 0;
    CU_ASSERT_TRUE(qe_name_valid(name));
    name[63] = 'a';
    name[64] = 0;
    CU_ASSERT_FALSE(qe_name_valid(name));
}

static const struct unit_case cases[] = {
    {"an ID is the BEP 44 target of its key", an_id_is_the_bep44_target_of_its_key},
    {"IDs survive a round trip in either case", ids_survive_a_round_trip_in_either_case},
    {"prefixes and strangers are no IDs", prefixes_and_strangers_are_no_ids},
    {"names are short, plain and no IDs", names_are_short_plain_and_no_ids},
};
UNIT_MAIN("identity", cases)

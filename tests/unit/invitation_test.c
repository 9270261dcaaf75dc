#include "identity/invitation.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

// Made by hand (docs/protocol.md has it).
#define QE_TEST_INVITATION                                                                                             \
    "qe1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh_w8fLz9PX29_j5-vv8_f7_AxDAAAIBIyghIAENuAAAAAAAAAAAAAAA"             \
    "ASMpIhdib290c3RyYXAucXVpY2V0aGVyLm9yZyMoGh6iKQ"

static struct qe_invitation example(void)
{
    struct qe_invitation invitation = {.place_count = 3};
    for (size_t i = 0; i < 32; i++)
        invitation.inviter.bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < 16; i++)
        invitation.token[i] = (uint8_t)(0xf0 + i);
    invitation.places[0] = (struct qe_place){.kind = QE_PLACE_INVITER, .addr = {qe_ip4(192, 0, 2, 1), 9000, 0}};
    invitation.places[1].kind = QE_PLACE_BOOTSTRAP;
    qe_addr_parse("[2001:db8::1]:9001", &invitation.places[1].addr);
    invitation.places[2] = (struct qe_place){.kind = QE_PLACE_BOOTSTRAP, .addr.port = 9000};
    strcpy(invitation.places[2].host, "bootstrap.quicether.org");
    return invitation;
}

static bool same(const struct qe_invitation *a, const struct qe_invitation *b)
{
    bool equal = qe_key_equal(&a->inviter, &b->inviter) && memcmp(a->token, b->token, 16) == 0 &&
                 a->place_count == b->place_count;
    for (size_t i = 0; equal && i < a->place_count; i++)
        equal = a->places[i].kind == b->places[i].kind && strcmp(a->places[i].host, b->places[i].host) == 0 &&
                qe_addr_equal(&a->places[i].addr, &b->places[i].addr);
    return equal;
}

static void a_line_says_what_it_was_made_of(void)
{
    struct qe_invitation invitation = example(), back;
    char text[QE_INVITATION_TEXT_SIZE];
    CU_ASSERT_TRUE_FATAL(qe_invitation_format(&invitation, text));
    CU_ASSERT_STRING_EQUAL(text, QE_TEST_INVITATION);
    CU_ASSERT_TRUE_FATAL(qe_invitation_parse(text, &back));
    CU_ASSERT_TRUE(same(&invitation, &back));
    invitation.place_count = 0;
    CU_ASSERT_TRUE(qe_invitation_format(&invitation, text) && qe_invitation_parse(text, &back));
    CU_ASSERT_TRUE(same(&invitation, &back));
}

static void no_other_character_and_no_shorter_line_passes(void)
{
    struct qe_invitation invitation = example(), back;
    char text[QE_INVITATION_TEXT_SIZE], changed[QE_INVITATION_TEXT_SIZE];
    CU_ASSERT_TRUE_FATAL(qe_invitation_format(&invitation, text));
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        for (const char *c = "Aa0-_ =:\n~"; *c; c++) {
            memcpy(changed, text, size + 1);
            if (changed[i] == *c) continue;
            changed[i] = *c;
            CU_ASSERT_FALSE(qe_invitation_parse(changed, &back));
        }
        memcpy(changed, text, size + 1);
        changed[i] = '\0';
        CU_ASSERT_FALSE(qe_invitation_parse(changed, &back));
    }
    snprintf(changed, sizeof changed, "%sA", text);
    CU_ASSERT_FALSE(qe_invitation_parse(changed, &back));
    CU_ASSERT_FALSE(qe_invitation_parse("", &back));
    CU_ASSERT_FALSE(qe_invitation_parse("qe1:", &back));
}

static void a_line_that_does_not_fit_is_not_written(void)
{
    struct qe_invitation invitation = example();
    char text[QE_INVITATION_TEXT_SIZE];
    invitation.place_count = QE_INVITATION_PLACES_MAX;
    for (size_t i = 0; i < QE_INVITATION_PLACES_MAX; i++) {
        invitation.places[i] = (struct qe_place){.kind = QE_PLACE_BOOTSTRAP, .addr.port = 1};
        memset(invitation.places[i].host, 'a', QE_INVITATION_HOST_SIZE - 1);
    }
    CU_ASSERT_FALSE(qe_invitation_format(&invitation, text));
    invitation.place_count = 4;
    CU_ASSERT_TRUE(qe_invitation_format(&invitation, text));
}

static void rendezvous_differ_by_token(void)
{
    uint8_t a[32], b[32], token[16] = {1};
    qe_invitation_rendezvous(token, a);
    token[15] = 1;
    qe_invitation_rendezvous(token, b);
    CU_ASSERT_NOT_EQUAL(memcmp(a, b, 32), 0);
}

static const struct unit_case cases[] = {
    {"a line says what it was made of", a_line_says_what_it_was_made_of},
    {"no other character and no shorter line passes", no_other_character_and_no_shorter_line_passes},
    {"a line that does not fit is not written", a_line_that_does_not_fit_is_not_written},
    {"rendezvous differ by token", rendezvous_differ_by_token},
};
UNIT_MAIN("invitation", cases)

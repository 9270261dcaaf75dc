// What the NATs in front of a node mean for its connections, case by case.
#include "nat/meaning.h"
#include "unit.h"

#include <string.h>

static void each_behaviour_has_its_meaning(void)
{
    static const struct {
        enum qe_nat_dependence mapping, filtering;
        bool mapped, heard;
        enum qe_nat_meaning meaning;
    } table[] = {
        {QE_NAT_UNKNOWN, QE_NAT_UNKNOWN, false, true, QE_NAT_MEANS_UNKNOWN},
        {QE_NAT_UNKNOWN, QE_NAT_UNKNOWN, false, false, QE_NAT_MEANS_BLOCKED},
        {QE_NAT_INDEPENDENT, QE_NAT_INDEPENDENT, false, true, QE_NAT_MEANS_ANYBODY},
        {QE_NAT_INDEPENDENT, QE_NAT_ADDRESS, false, true, QE_NAT_MEANS_EVERYONE},
        {QE_NAT_INDEPENDENT, QE_NAT_ADDRESS_AND_PORT, false, true, QE_NAT_MEANS_MOST},
        {QE_NAT_INDEPENDENT, QE_NAT_UNKNOWN, false, true, QE_NAT_MEANS_MOST},
        {QE_NAT_ADDRESS, QE_NAT_INDEPENDENT, false, true, QE_NAT_MEANS_FEW},
        {QE_NAT_ADDRESS_AND_PORT, QE_NAT_ADDRESS_AND_PORT, false, true, QE_NAT_MEANS_FEW},
        {QE_NAT_ADDRESS_AND_PORT, QE_NAT_ADDRESS_AND_PORT, true, true, QE_NAT_MEANS_ANYBODY},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct qe_nat_behaviour b = {.known_ns = table[i].mapping != QE_NAT_UNKNOWN,
            .mapping = table[i].mapping,
            .filtering = table[i].filtering};
        CU_ASSERT_EQUAL(qe_nat_meaning(&b, table[i].mapped, table[i].heard), table[i].meaning);
    }
}

static void each_meaning_has_words(void)
{
    for (unsigned i = QE_NAT_MEANS_UNKNOWN; i <= QE_NAT_MEANS_FEW; i++) {
        CU_ASSERT(strlen(qe_nat_meaning_name((enum qe_nat_meaning)i)) > 2);
        CU_ASSERT(strlen(qe_nat_meaning_text((enum qe_nat_meaning)i)) > 20);
    }
}

static const struct unit_case cases[] = {
    {"each behaviour has its meaning", each_behaviour_has_its_meaning},
    {"each meaning has words", each_meaning_has_words},
};

UNIT_MAIN("nat_meaning", cases)

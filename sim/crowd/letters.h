// Datagrams under way, in slots of five sizes that are used again: no allocation a datagram.
#ifndef QE_SIM_CROWD_LETTERS_H
#define QE_SIM_CROWD_LETTERS_H

#include "crowd/places.h"

#include <stddef.h>
#include <stdint.h>

#define SIM_LETTER_CLASSES 5

struct sim_letter {
    struct sim_place from, to;
    uint16_t size;
    uint8_t about; // enum sim_about
    uint8_t bytes[];
};

struct sim_letters {
    struct sim_letter_class {
        uint8_t **blocks; // of BLOCK slots each
        size_t block_count, block_capacity;
        uint32_t *spare;
        size_t spare_count, spare_capacity;
    } classes[SIM_LETTER_CLASSES];
    size_t count, peak; // under way
};

void sim_letters_fini(struct sim_letters *letters);
// Room for a datagram of `size` bytes: its number, by which it is got and given back.
uint32_t sim_letters_new(struct sim_letters *letters, size_t size);
struct sim_letter *sim_letters_get(const struct sim_letters *letters, uint32_t number);
void sim_letters_free(struct sim_letters *letters, uint32_t number);

#endif

#include "look/secrets.h"

#include "engine/memory.h"

#include "base/bytes.h"

#include <string.h>

static const uint8_t nothing[SIM_DIGEST_SIZE];

// Where the digest is, or would be.
static uint8_t *place(uint8_t (*known)[SIM_DIGEST_SIZE], size_t capacity, const uint8_t *digest)
{
    size_t at = (size_t)qe_load64(digest) & (capacity - 1);
    while (memcmp(known[at], nothing, SIM_DIGEST_SIZE) != 0 && memcmp(known[at], digest, SIM_DIGEST_SIZE) != 0)
        at = (at + 1) & (capacity - 1);
    return known[at];
}

static void grow(struct sim_secrets *secrets)
{
    size_t capacity = secrets->capacity ? secrets->capacity * 2 : 64;
    uint8_t(*known)[SIM_DIGEST_SIZE] = sim_obtain(capacity, sizeof(*known));
    for (size_t i = 0; i < secrets->capacity; i++)
        if (memcmp(secrets->known[i], nothing, SIM_DIGEST_SIZE) != 0)
            memcpy(place(known, capacity, secrets->known[i]), secrets->known[i], SIM_DIGEST_SIZE);
    sim_release(secrets->known);
    secrets->known = known;
    secrets->capacity = capacity;
}

bool sim_secrets_add(struct sim_secrets *secrets, const char *line)
{
    uint8_t digest[SIM_DIGEST_SIZE];
    if (secrets->count * 2 >= secrets->capacity) grow(secrets);
    sim_digest((const uint8_t *)line, strlen(line), digest);
    uint8_t *at = place(secrets->known, secrets->capacity, digest);
    if (memcmp(at, digest, SIM_DIGEST_SIZE) == 0) return false;
    memcpy(at, digest, SIM_DIGEST_SIZE);
    secrets->count++;
    return true;
}

void sim_secrets_fini(struct sim_secrets *secrets)
{
    sim_release(secrets->known);
    *secrets = (struct sim_secrets){0};
}

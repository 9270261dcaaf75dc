#include "cli/recorded.h"

#include "cli/command.h"

#include "record/core.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

int sim_refuse(const char *file, const char *why)
{
    fprintf(stderr, "quicether-sim: %s: %s\n", file, why);
    return SIM_EXIT_USAGE;
}

bool sim_read_key(const char *path, uint8_t key[QE_RECORD_KEY_SIZE])
{
    char text[2 * QE_RECORD_KEY_SIZE + 2];
    size_t size = 0;
    FILE *in = fopen(path, "r");
    if (!in) {
        sim_complain_file(path);
        return false;
    }
    size_t got = fread(text, 1, sizeof text, in);
    fclose(in);
    if (got == 2 * QE_RECORD_KEY_SIZE + 1 && text[got - 1] == '\n') got--;
    if (got == 2 * QE_RECORD_KEY_SIZE && sodium_hex2bin(key, QE_RECORD_KEY_SIZE, text, got, NULL, &size, NULL) == 0 &&
        size == QE_RECORD_KEY_SIZE)
        return true;
    sim_refuse(path, "no key; expected 64 hexadecimal digits, as quicether-sim keygen writes them");
    return false;
}

// Whether this program can be expected to replay it; says why not.
static bool agrees(const struct sim_recorded *o, const struct qe_record_header *header)
{
    char why[512];
    if (memcmp(header->core, qe_core_digest, sizeof header->core) != 0)
        snprintf(why, sizeof why,
            "recorded by another core: commit %s (%02x%02x%02x%02x); this program's is %s (%02x%02x%02x%02x)",
            header->commit, header->core[0], header->core[1], header->core[2], header->core[3], qe_core_commit,
            qe_core_digest[0], qe_core_digest[1], qe_core_digest[2], qe_core_digest[3]);
    else if (strcmp(header->openssl, qe_core_openssl) != 0)
        snprintf(why, sizeof why, "recorded with OpenSSL %s; this program has %s", header->openssl, qe_core_openssl);
    else if (strcmp(header->ngtcp2, qe_core_ngtcp2) != 0)
        snprintf(why, sizeof why, "recorded with ngtcp2 %s; this program has %s", header->ngtcp2, qe_core_ngtcp2);
    else
        return true;
    fprintf(stderr, "quicether-sim: %s: %s%s\n", o->file, why, o->force ? "" : "; --force tries it all the same");
    return o->force;
}

int sim_recorded_open(const struct sim_recorded *o, struct sim_recording *recording)
{
    char error[QE_RECORD_ERROR_SIZE];
    uint8_t key[QE_RECORD_KEY_SIZE];
    if (sim_recording_open(recording, o->file, error) != 0) return sim_refuse(o->file, error);
    const struct qe_record_header *header = &recording->reader.header;
    bool right = agrees(o, header);
    if (right && header->sealed && !o->key) {
        sim_refuse(o->file, "sealed; --key names the file with the secret key");
        right = false;
    } else if (right && header->sealed) {
        right = sim_read_key(o->key, key);
        if (right && qe_record_reader_unseal(&recording->reader, key) != 0) {
            sim_refuse(o->file, "sealed to another key");
            right = false;
        }
        sodium_memzero(key, sizeof key);
    }
    if (right) return 0;
    sim_recording_close(recording);
    return SIM_EXIT_USAGE;
}

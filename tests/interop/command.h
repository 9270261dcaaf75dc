// The commands of the node program, and their answers.
#ifndef QE_TESTS_INTEROP_COMMAND_H
#define QE_TESTS_INTEROP_COMMAND_H

#include "dht/dht.h"

#define COMMAND_PENDING_MAX 64
#define COMMAND_TAG_SIZE    16

struct command {
    struct qe_dht *dht;
    struct {
        uint64_t operation; // 0: a free place
        char tag[COMMAND_TAG_SIZE];
    } pending[COMMAND_PENDING_MAX];
};

// Runs one line:
//     TAG stats                   TAG sign SEED SALT SEQ VALUE
//     TAG peers TARGET            TAG announce TARGET PORT
//     TAG get TARGET SALT
//     TAG put-immutable VALUE     TAG put SEED SALT SEQ VALUE CAS
//     TAG index TARGET            TAG index-put SEED AUTHORITY-SEED SEQ VALUE
void command_run(struct command *command, char *line, uint64_t now_ns);
void command_on_answer(void *user, const struct qe_dht_answer *answer);

#endif

// Writing JSON (RFC 8259): one document, front to back, into a buffer that grows up to a bound. A writer remembers
// failure, so a reply reads as a list of members, and one check at the end tells.
//
//     struct qe_json w;
//     qe_json_init(&w, mem, QE_JSON_SIZE_MAX);
//     qe_json_object_begin(&w);
//     qe_json_key(&w, "rtt_us");
//     qe_json_u64(&w, rtt_us);
//     qe_json_object_end(&w);
//     if (!qe_json_finish(&w, &body)) …;
//     qe_json_fini(&w);
//
// Misuse (a key in an array, an end too many, two documents) is a mistake of the program and asserts. Bad text is not:
// bytes that are not UTF-8 become U+FFFD.
#ifndef QE_OBSERVE_JSON_H
#define QE_OBSERVE_JSON_H

#include "base/bytes.h"
#include "base/mem.h"

// A bound for what a control command may answer: 1024 peers with several paths each stay far below it.
#define QE_JSON_SIZE_MAX  (16u << 20)
#define QE_JSON_DEPTH_MAX 32

struct qe_json {
    const struct qe_mem *mem;
    char *text;
    size_t size;
    size_t capacity;
    size_t size_max;
    unsigned depth;   // open objects and arrays
    uint32_t objects; // bit d: what is open at depth d is an object
    uint32_t begun;   // bit d: it has a member already, so the next needs a comma
    bool keyed;       // a key waits for its value
    bool done;        // the document's one value is complete
    bool failed;      // no memory, or beyond size_max: nothing more is written
};

// A writer of at most `size_max` bytes (without the NUL that qe_json_finish adds). Allocates nothing yet.
void qe_json_init(struct qe_json *w, const struct qe_mem *mem, size_t size_max);
void qe_json_fini(struct qe_json *w);
// Forgets what was written, and a failure with it; keeps the memory.
void qe_json_reset(struct qe_json *w);

void qe_json_object_begin(struct qe_json *w);
void qe_json_object_end(struct qe_json *w);
void qe_json_array_begin(struct qe_json *w);
void qe_json_array_end(struct qe_json *w);
// The name of the next member of the open object. Names carry their unit ("rtt_us").
void qe_json_key(struct qe_json *w, const char *key);

void qe_json_string(struct qe_json *w, const char *text);
void qe_json_text(struct qe_json *w, struct qe_span text); // may hold NULs
void qe_json_u64(struct qe_json *w, uint64_t value);
void qe_json_i64(struct qe_json *w, int64_t value);
void qe_json_bool(struct qe_json *w, bool value);
void qe_json_null(struct qe_json *w);

// The finished document: true, and its bytes in *out, borrowed from the writer and followed by a NUL. False where
// something did not fit; *out is then empty.
bool qe_json_finish(struct qe_json *w, struct qe_span *out);

#endif

#include "record.h"

#include "loop.h"
#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct block {
    struct block *next;
    size_t size;
    enum qe_record_end end;
    uint8_t payload[QE_RECORD_BLOCK_MAX];
};

struct qe_recording {
    struct qe_recording_options options;
    char path[QE_PATH_SIZE];
    int fd;
    int news; // eventfd
    struct qe_record_hash hash;
    struct qe_record_chain chain; // the thread's
    uint8_t *framed;              // the thread's
    bool broken;                  // the thread's: a write failed
    uint64_t written;             // the thread's: up to the last whole block
    uint64_t queued;              // bytes that the file will have
    struct block *filling;        // what the recorder has

    bool started;
    pthread_t worker;
    pthread_mutex_t mutex; // what follows
    pthread_cond_t work;
    struct block *first, **last;
    size_t count;
    struct block *free;
    size_t free_count;
    bool stop;
    bool over;              // takes no more
    enum qe_record_end why; // once over
    int error;              // errno of the write that failed
};

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

static size_t framed_size(const struct qe_recording *r, size_t payload)
{
    return QE_RECORD_BLOCK_HEAD + payload + (r->options.sealed ? QE_RECORD_SEAL_SIZE : 0);
}

// With the mutex.
static void finish(struct qe_recording *r, enum qe_record_end why, int error)
{
    uint64_t one = 1;
    if (r->over) return;
    r->over = true;
    r->why = why;
    r->error = error;
    if (why != QE_RECORD_STOPPED) (void)!write(r->news, &one, sizeof one);
}

// Writes a block. Where the disk does not take it, what is there of it goes again, and an end follows: a block without
// content is small enough for the room that this leaves.
static void put(struct qe_recording *r, const struct block *block)
{
    struct qe_record_chain before = r->chain;
    if (r->broken) return;
    size_t size = qe_record_frame_block(&r->chain, qe_span(block->payload, block->size), block->end, r->framed);
    if (write_all(r->fd, r->framed, size) == 0) {
        r->written += size;
        return;
    }
    int why = errno;
    r->broken = true;
    r->chain = before;
    if (ftruncate(r->fd, (off_t)r->written) == 0 && lseek(r->fd, (off_t)r->written, SEEK_SET) >= 0) {
        size = qe_record_frame_block(&r->chain, qe_span(NULL, 0), QE_RECORD_DISK, r->framed);
        if (write_all(r->fd, r->framed, size) != 0) (void)!ftruncate(r->fd, (off_t)r->written);
    }
    pthread_mutex_lock(&r->mutex);
    finish(r, QE_RECORD_DISK, why);
    pthread_mutex_unlock(&r->mutex);
}

// With the mutex, which it lets go meanwhile.
static void drain(struct qe_recording *r)
{
    while (r->first) {
        struct block *block = r->first;
        r->first = block->next;
        if (!r->first) r->last = &r->first;
        pthread_mutex_unlock(&r->mutex);
        put(r, block);
        pthread_mutex_lock(&r->mutex);
        r->count--;
        if (r->free_count == QE_RECORDING_KEPT) {
            free(block);
            continue;
        }
        block->next = r->free;
        r->free = block;
        r->free_count++;
    }
}

static void *work(void *user)
{
    struct qe_recording *r = user;
    pthread_mutex_lock(&r->mutex);
    for (;;) {
        drain(r);
        if (r->stop) break;
        pthread_cond_wait(&r->work, &r->mutex);
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

// With the mutex.
static struct block *obtain(struct qe_recording *r)
{
    struct block *block = r->free;
    if (!block) return malloc(sizeof *block);
    r->free = block->next;
    r->free_count--;
    return block;
}

// With the mutex: the block that was being filled is to be written.
static void enqueue(struct qe_recording *r, size_t size, enum qe_record_end end)
{
    struct block *block = r->filling;
    r->filling = NULL;
    block->size = size;
    block->end = end;
    block->next = NULL;
    *r->last = block;
    r->last = &block->next;
    r->count++;
    r->queued += framed_size(r, size);
    pthread_cond_signal(&r->work);
}

static uint8_t *take_block(void *user, uint8_t *payload, size_t size, enum qe_record_end end)
{
    struct qe_recording *r = user;
    (void)payload;
    pthread_mutex_lock(&r->mutex);
    if (r->over) goto over;
    uint64_t next = framed_size(r, size) + framed_size(r, QE_RECORD_BLOCK_MAX);
    if (end == QE_RECORD_GOES_ON && r->options.limit_bytes && r->queued + next > r->options.limit_bytes)
        end = QE_RECORD_LIMIT;
    if (end == QE_RECORD_GOES_ON && r->count >= QE_RECORDING_QUEUE_MAX) end = QE_RECORD_SLOW;
    struct block *another = end == QE_RECORD_GOES_ON ? obtain(r) : NULL;
    if (end == QE_RECORD_GOES_ON && !another) end = QE_RECORD_MEMORY;
    enqueue(r, size, end);
    if (end != QE_RECORD_GOES_ON) finish(r, end, 0);
    r->filling = another;
over:
    payload = r->over || !r->filling ? NULL : r->filling->payload;
    pthread_mutex_unlock(&r->mutex);
    return payload;
}

struct qe_recorder *qe_recording_recorder(struct qe_recording *r, const struct qe_host *host)
{
    const struct qe_record_sink sink = {r, take_block};
    return qe_recorder_new(host, &sink, r->filling->payload, &r->hash);
}

static int make_file(struct qe_recording *r, struct qe_fault *fault)
{
    if (qe_dirs_absolute(r->options.path, r->path, fault)) return -1;
    r->fd = open(r->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (r->fd >= 0) return 0;
    if (errno == EEXIST)
        return qe_fault_set(fault, QE_EXIT_USAGE,
            "--record: %s exists already; a recording overwrites nothing: choose another name", r->path);
    return qe_fault_set(fault, QE_EXIT_USAGE, "--record: cannot make %s: %s", r->path, strerror(errno));
}

static int write_header(struct qe_recording *r, struct qe_fault *fault)
{
    struct qe_random_source random;
    struct qe_record_header header;
    uint8_t secret[QE_RECORD_KEY_SIZE], bytes[QE_RECORD_HEADER_MAX];
    qe_random_init(&random);
    qe_random_fill(&random, r->hash.key, sizeof r->hash.key);
    qe_random_fill(&random, secret, sizeof secret);
    qe_random_fini(&random);
    qe_record_header_init(&header, qe_loop_wall_ms());
    int sealed = r->options.sealed ? qe_record_seal(&r->chain, &header, r->options.recipient, secret) : 0;
    sodium_memzero(secret, sizeof secret);
    if (sealed) return qe_fault_set(fault, QE_EXIT_USAGE, "--record-to: no public key that anything can be sealed to");
    size_t size = qe_record_frame_header(&r->chain, &header, bytes);
    if (write_all(r->fd, bytes, size) != 0)
        return qe_fault_set(fault, QE_EXIT_FAILED, "--record: cannot write %s: %s", r->path, strerror(errno));
    r->written = r->queued = size;
    return 0;
}

int qe_recording_open(struct qe_recording **out, const struct qe_recording_options *options, struct qe_fault *fault)
{
    struct qe_recording *r = calloc(1, sizeof *r);
    if (!r) return qe_fault_set(fault, QE_EXIT_FAILED, "no memory");
    r->options = *options;
    r->last = &r->first;
    r->fd = r->news = -1;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->work, NULL);
    r->framed = malloc(QE_RECORD_FRAMED_MAX);
    r->filling = malloc(sizeof *r->filling);
    r->news = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!r->framed || !r->filling || r->news < 0) {
        qe_fault_set(fault, QE_EXIT_FAILED, "no memory");
        goto fail;
    }
    if (make_file(r, fault)) goto fail;
    if (write_header(r, fault)) {
        unlink(r->path);
        goto fail;
    }
    *out = r;
    return 0;
fail:
    qe_recording_close(r);
    return -1;
}

// The worker leaves every signal to the loop.
int qe_recording_start(struct qe_recording *r)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int result = pthread_create(&r->worker, NULL, work, r);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    r->started = result == 0;
    errno = result;
    return result ? -1 : 0;
}

void qe_recording_discard(struct qe_recording *r)
{
    if (r) unlink(r->path);
}

void qe_recording_close(struct qe_recording *r)
{
    if (!r) return;
    pthread_mutex_lock(&r->mutex);
    r->stop = true;
    pthread_cond_signal(&r->work);
    if (!r->started) drain(r);
    pthread_mutex_unlock(&r->mutex);
    if (r->started) pthread_join(r->worker, NULL);
    while (r->free) {
        struct block *block = r->free;
        r->free = block->next;
        free(block);
    }
    if (r->fd >= 0) close(r->fd);
    if (r->news >= 0) close(r->news);
    pthread_mutex_destroy(&r->mutex);
    pthread_cond_destroy(&r->work);
    sodium_memzero(&r->chain, sizeof r->chain);
    free(r->filling);
    free(r->framed);
    free(r);
}

const char *qe_recording_path(const struct qe_recording *r)
{
    return r->path;
}

int qe_recording_fd(const struct qe_recording *r)
{
    return r->news;
}

bool qe_recording_report(struct qe_recording *r, char *out, size_t size)
{
    uint64_t count;
    if (read(r->news, &count, sizeof count) != (ssize_t)sizeof count) return false;
    pthread_mutex_lock(&r->mutex);
    if (r->why == QE_RECORD_DISK)
        snprintf(out, size, "the recording ends: %s: %s", r->path, strerror(r->error));
    else
        snprintf(out, size, "the recording ends: %s: %s", r->path, qe_record_end_text(r->why));
    pthread_mutex_unlock(&r->mutex);
    return true;
}

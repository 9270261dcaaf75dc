// The queue between the node and the disk, and the thread that empties it. At most one change a key waits, so what
// reaches the disk is always the latest, and in between a disk that is slow or full costs bounded memory and no time.
#include "statefile.h"

#include "dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct change {
    struct change *next;
    bool erase;
    char key[QE_STORE_KEY_MAX + 1];
    struct qe_span value; // right behind this struct
};

struct qe_store {
    int dir;
    int news; // eventfd
    size_t file_count;
    bool started;
    char path[QE_PATH_SIZE];

    pthread_t worker;
    pthread_mutex_t mutex; // what follows
    pthread_cond_t work;   // the queue is not empty, or stop
    pthread_cond_t done;   // the queue is empty and nothing is being written
    struct change *queue;
    size_t queue_count;
    size_t queue_bytes;
    bool stop;
    bool busy;
    uint64_t lost, lost_before; // in all; before the mark
    bool marked, failed;        // failed: something was lost since the mark
    int error;                  // errno of the last write; 0: it went well
    bool reported_failure;
};

static void tell(struct qe_store *store)
{
    uint64_t one = 1;
    // The counter cannot overflow, and a full one is as readable.
    (void)!write(store->news, &one, sizeof one);
}

// Returns errno. Names are counted here, so that a node gone wild cannot fill the folder.
static int apply(struct qe_store *store, const struct change *change)
{
    char name[QE_STATEFILE_NAME_SIZE];
    qe_statefile_name(change->key, name);
    bool exists = faccessat(store->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (change->erase) {
        if (!exists) return 0;
        if (unlinkat(store->dir, name, 0)) return errno;
        store->file_count--;
        return 0;
    }
    if (!exists && store->file_count >= QE_STORE_FILES_MAX) return EDQUOT;
    if (qe_statefile_write(store->dir, change->key, change->value)) return errno;
    if (!exists) store->file_count++;
    return 0;
}

// Applies a list in order and frees it. Returns the last errno that was not 0; `lost` counts them.
static int apply_all(struct qe_store *store, struct change *list, uint64_t *lost)
{
    int error = 0;
    while (list) {
        struct change *change = list;
        list = change->next;
        int result = apply(store, change);
        if (result) {
            error = result;
            (*lost)++;
        }
        free(change);
    }
    // The new names themselves; file systems that cannot sync a directory say EINVAL.
    if (fsync(store->dir) && errno != EINVAL) {
        if (!error) error = errno;
        (*lost)++;
    }
    return error;
}

static void *work(void *user)
{
    struct qe_store *store = user;
    pthread_mutex_lock(&store->mutex);
    for (;;) {
        while (!store->queue && !store->stop)
            pthread_cond_wait(&store->work, &store->mutex);
        if (!store->queue) break;
        struct change *list = store->queue;
        store->queue = NULL;
        store->queue_count = 0;
        store->queue_bytes = 0;
        store->busy = true;
        pthread_mutex_unlock(&store->mutex);
        uint64_t lost = 0;
        int error = apply_all(store, list, &lost);
        pthread_mutex_lock(&store->mutex);
        store->busy = false;
        store->lost += lost;
        bool changed = (error != 0) != (store->error != 0);
        store->error = error;
        if (changed) tell(store);
        if (!store->queue) pthread_cond_broadcast(&store->done);
    }
    pthread_mutex_unlock(&store->mutex);
    return NULL;
}

static int open_folder(struct qe_store *store, const char *state_dir, struct qe_fault *fault)
{
    if (snprintf(store->path, sizeof store->path, "%s/store", state_dir) >= (int)sizeof store->path)
        return qe_fault_set(fault, QE_EXIT_STATE, "path too long: %s", state_dir);
    if (qe_dirs_make(store->path, 0700, fault)) return -1;
    store->dir = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->dir < 0 || faccessat(store->dir, ".", W_OK | X_OK, AT_EACCESS))
        return qe_fault_set(fault, QE_EXIT_STATE,
            "cannot write to the state directory %s: %s; choose another with --state-dir", store->path,
            strerror(errno));
    return 0;
}

static int wanted(const struct dirent *entry)
{
    char key[QE_STORE_KEY_MAX + 1];
    return qe_statefile_key(entry->d_name, key);
}

// Counts the files and throws unfinished ones away.
static void sweep(struct qe_store *store)
{
    int fd = openat(store->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        if (fd >= 0) close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (qe_statefile_is_unfinished(entry->d_name))
            unlinkat(store->dir, entry->d_name, 0);
        else if (wanted(entry))
            store->file_count++;
    }
    closedir(folder);
}

// The worker leaves every signal to the loop.
int qe_store_start(struct qe_store *store)
{
    sigset_t all, old;
    pthread_attr_t attributes;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int result = pthread_create(&store->worker, &attributes, work, store);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    store->started = result == 0;
    return result ? -1 : 0;
}

int qe_store_open(struct qe_store **out, const char *state_dir, struct qe_fault *fault)
{
    struct qe_store *store = calloc(1, sizeof *store);
    if (!store) return qe_fault_set(fault, QE_EXIT_FAILED, "no memory");
    store->dir = store->news = -1;
    if (open_folder(store, state_dir, fault)) goto fail;
    sweep(store);
    store->news = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->work, NULL);
    pthread_cond_init(&store->done, NULL);
    if (store->news < 0) {
        qe_fault_set(fault, QE_EXIT_FAILED, "eventfd: %s", strerror(errno));
        goto fail;
    }
    *out = store;
    return 0;
fail:
    if (store->dir >= 0) close(store->dir);
    free(store);
    return -1;
}

void qe_store_close(struct qe_store *store)
{
    if (!store) return;
    if (store->started) {
        pthread_mutex_lock(&store->mutex);
        store->stop = true;
        pthread_cond_signal(&store->work);
        pthread_mutex_unlock(&store->mutex);
        pthread_join(store->worker, NULL);
    }
    for (struct change *change; (change = store->queue) != NULL;) {
        store->queue = change->next;
        free(change);
    }
    pthread_cond_destroy(&store->done);
    pthread_cond_destroy(&store->work);
    pthread_mutex_destroy(&store->mutex);
    close(store->news);
    close(store->dir);
    free(store);
}

size_t qe_store_load(struct qe_store *store, void (*item)(void *user, const char *key, struct qe_span value),
    void (*complain)(void *user, const char *line), void *user)
{
    struct dirent **entries = NULL;
    char line[QE_PATH_SIZE + 512];
    int count = scandir(store->path, &entries, wanted, alphasort);
    uint8_t *room = malloc(QE_STATEFILE_SIZE_MAX + 1);
    if (count < 0 || !room) {
        snprintf(line, sizeof line, "cannot read stored state in %s: %s", store->path, strerror(errno));
        complain(user, line);
    }
    size_t good = 0;
    for (int i = 0; i < count; i++) {
        char key[QE_STORE_KEY_MAX + 1];
        struct qe_span value = {NULL, 0};
        const char *wrong = "too many files";
        if (room && good < QE_STORE_FILES_MAX && qe_statefile_key(entries[i]->d_name, key))
            wrong = qe_statefile_read(store->dir, key, room, &value);
        if (wrong) {
            snprintf(line, sizeof line, "stored state %s/%s skipped: %s", store->path, entries[i]->d_name, wrong);
            complain(user, line);
        } else {
            item(user, key, value);
            good++;
        }
        free(entries[i]);
    }
    free(entries);
    free(room);
    return good;
}

// Takes the waiting change for this key out of the queue, if there is one.
static void forget(struct qe_store *store, const char *key)
{
    for (struct change **at = &store->queue; *at; at = &(*at)->next) {
        struct change *change = *at;
        if (strcmp(change->key, key) != 0) continue;
        *at = change->next;
        store->queue_count--;
        store->queue_bytes -= change->value.size;
        free(change);
        return;
    }
}

static int enqueue(struct qe_store *store, const char *key, bool erase, struct qe_span value)
{
    struct change *change = malloc(sizeof *change + value.size);
    if (!change) {
        pthread_mutex_lock(&store->mutex);
        store->lost++;
        pthread_mutex_unlock(&store->mutex);
        return -1;
    }
    uint8_t *bytes = (uint8_t *)(change + 1);
    if (value.size) memcpy(bytes, value.data, value.size);
    *change = (struct change){.erase = erase, .value = {bytes, value.size}};
    memcpy(change->key, key, strlen(key) + 1);

    int result = -1;
    pthread_mutex_lock(&store->mutex);
    forget(store, key);
    if (store->queue_count < QE_STORE_QUEUE_MAX && store->queue_bytes + value.size <= QE_STORE_QUEUE_BYTES_MAX) {
        struct change **end = &store->queue;
        while (*end)
            end = &(*end)->next;
        *end = change;
        store->queue_count++;
        store->queue_bytes += value.size;
        pthread_cond_signal(&store->work);
        result = 0;
    } else {
        store->lost++;
        free(change);
    }
    pthread_mutex_unlock(&store->mutex);
    return result;
}

int qe_store_put(struct qe_store *store, const char *key, struct qe_span value)
{
    if (!qe_store_key_valid(key) || value.size > QE_STORE_VALUE_MAX) return -1;
    return enqueue(store, key, false, value);
}

int qe_store_erase(struct qe_store *store, const char *key)
{
    if (!qe_store_key_valid(key)) return -1;
    return enqueue(store, key, true, qe_span(NULL, 0));
}

void qe_store_flush(struct qe_store *store)
{
    pthread_mutex_lock(&store->mutex);
    while (store->queue || store->busy)
        pthread_cond_wait(&store->done, &store->mutex);
    pthread_mutex_unlock(&store->mutex);
}

void qe_store_mark(struct qe_store *store)
{
    pthread_mutex_lock(&store->mutex);
    if (!store->marked || store->failed) store->lost_before = store->lost;
    store->marked = true;
    store->failed = false;
    pthread_mutex_unlock(&store->mutex);
}

bool qe_store_settle(struct qe_store *store)
{
    qe_store_flush(store);
    pthread_mutex_lock(&store->mutex);
    bool fine = !store->marked || (!store->failed && store->lost == store->lost_before);
    store->failed = !fine;
    store->marked = !fine;
    pthread_mutex_unlock(&store->mutex);
    return fine;
}

int qe_store_fd(const struct qe_store *store)
{
    return store->news;
}

bool qe_store_report(struct qe_store *store, bool *failed, char *out, size_t size)
{
    uint64_t count;
    (void)!read(store->news, &count, sizeof count);
    pthread_mutex_lock(&store->mutex);
    int error = store->error;
    bool changed = (error != 0) != store->reported_failure;
    store->reported_failure = error != 0;
    pthread_mutex_unlock(&store->mutex);
    if (!changed) return false;
    *failed = error != 0;
    if (error == ENOSPC || error == EDQUOT)
        snprintf(out, size, "disk full: state is not saved in %s (%s); the node goes on without", store->path,
            strerror(error));
    else if (error)
        snprintf(out, size, "state is not saved in %s: %s; the node goes on without", store->path, strerror(error));
    else
        snprintf(out, size, "state is saved in %s again", store->path);
    return true;
}

uint64_t qe_store_lost(struct qe_store *store)
{
    pthread_mutex_lock(&store->mutex);
    uint64_t lost = store->lost;
    pthread_mutex_unlock(&store->mutex);
    return lost;
}

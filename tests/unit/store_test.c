#include "scratch.h"
#include "store.h"
#include "unit.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct qe_store *store;
static struct qe_fault fault;

// What the last load gave: "key=value;" in order, and how many complaints.
static char loaded[4096];
static size_t complaints;
static char complaint[1024];

static void on_item(void *user, const char *key, struct qe_span value)
{
    (void)user;
    size_t used = strlen(loaded);
    snprintf(loaded + used, sizeof loaded - used, "%s=%.*s;", key, (int)(value.size > 40 ? 40 : value.size),
        (const char *)value.data);
}

static void on_complaint(void *user, const char *line)
{
    (void)user;
    complaints++;
    snprintf(complaint, sizeof complaint, "%s", line);
}

static void open_store(void)
{
    CU_ASSERT_EQUAL_FATAL(qe_store_open(&store, scratch_path(""), &fault), 0);
    CU_ASSERT_EQUAL_FATAL(qe_store_start(store), 0);
}

static size_t load(void)
{
    loaded[0] = '\0';
    complaints = 0;
    return qe_store_load(store, on_item, on_complaint, NULL);
}

static int put(const char *key, const char *value)
{
    return qe_store_put(store, key, qe_span(value, strlen(value)));
}

static void what_is_put_is_there_after_a_restart(void)
{
    scratch_begin();
    open_store();
    CU_ASSERT_EQUAL(put("ticket/qeabc", "one"), 0);
    CU_ASSERT_EQUAL(put("epoch", "7"), 0);
    CU_ASSERT_EQUAL(put("gone", "soon"), 0);
    CU_ASSERT_EQUAL(put("empty", ""), 0);
    CU_ASSERT_EQUAL(qe_store_erase(store, "gone"), 0);
    CU_ASSERT_EQUAL(put("epoch", "8"), 0);
    CU_ASSERT_EQUAL(qe_store_erase(store, "never-was"), 0);
    qe_store_close(store);
    open_store();
    CU_ASSERT_EQUAL(load(), 3);
    CU_ASSERT_STRING_EQUAL(loaded, "empty=;epoch=8;ticket/qeabc=one;");
    CU_ASSERT_EQUAL(complaints, 0);
    CU_ASSERT_EQUAL(qe_store_lost(store), 0);
    qe_store_close(store);
    struct stat st;
    CU_ASSERT_EQUAL(stat(scratch_path("store/epoch"), &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    scratch_end();
}

static void only_documented_keys_are_taken(void)
{
    static const struct {
        const char *key;
        bool valid;
    } list[] = {
        {"a", true},
        {"a/b.c_d-9", true},
        {".hidden", true},
        {"a/../b", true},
        {"/a", true},
        {"", false},
        {".", false},
        {"..", false},
        {"A", false},
        {"a b", false},
        {"a+b", false},
        {"a~", false},
        {"\xc3\xa4", false},
    };
    char longest[129];
    memset(longest, 'x', sizeof longest);
    longest[128] = '\0';
    scratch_begin();
    open_store();
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        CU_ASSERT_EQUAL(qe_store_key_valid(list[i].key), list[i].valid);
        CU_ASSERT_EQUAL(put(list[i].key, "v"), list[i].valid ? 0 : -1);
    }
    CU_ASSERT_EQUAL(put(longest, "v"), -1);
    longest[127] = '\0';
    CU_ASSERT_EQUAL(put(longest, "v"), 0);
    qe_store_flush(store);
    // Nothing outside the folder, whatever the key looks like.
    CU_ASSERT_EQUAL(scratch_count(""), 1);
    CU_ASSERT_EQUAL(scratch_count("store"), 6);
    CU_ASSERT_EQUAL(load(), 6);
    qe_store_close(store);
    scratch_end();
}

static void values_have_a_maximum(void)
{
    static uint8_t large[QE_STORE_VALUE_MAX + 1];
    scratch_begin();
    open_store();
    CU_ASSERT_EQUAL(qe_store_put(store, "a", qe_span(large, QE_STORE_VALUE_MAX)), 0);
    CU_ASSERT_EQUAL(qe_store_put(store, "b", qe_span(large, QE_STORE_VALUE_MAX + 1)), -1);
    qe_store_flush(store);
    CU_ASSERT_EQUAL(load(), 1);
    qe_store_close(store);
    scratch_end();
}

static void a_queue_that_nobody_empties_is_bounded(void)
{
    static uint8_t large[QE_STORE_VALUE_MAX];
    scratch_begin();
    CU_ASSERT_EQUAL_FATAL(qe_store_open(&store, scratch_path(""), &fault), 0);
    char key[16];
    size_t taken = 0, refused = 0;
    for (int i = 0; i < 2 * QE_STORE_QUEUE_MAX; i++) {
        snprintf(key, sizeof key, "k%d", i);
        if (put(key, "v") == 0)
            taken++;
        else
            refused++;
    }
    CU_ASSERT_EQUAL(taken, QE_STORE_QUEUE_MAX);
    CU_ASSERT_EQUAL(refused, QE_STORE_QUEUE_MAX);
    // A change of what waits already takes no more room.
    CU_ASSERT_EQUAL(put("k3", "w"), 0);
    CU_ASSERT_EQUAL(qe_store_lost(store), refused);
    qe_store_close(store);

    CU_ASSERT_EQUAL_FATAL(qe_store_open(&store, scratch_path(""), &fault), 0);
    for (taken = 0; taken < QE_STORE_QUEUE_MAX; taken++) {
        snprintf(key, sizeof key, "k%d", (int)taken);
        if (qe_store_put(store, key, qe_span(large, sizeof large))) break;
    }
    CU_ASSERT_EQUAL(taken, QE_STORE_QUEUE_BYTES_MAX / sizeof large);
    qe_store_close(store);
    scratch_end();
}

static void damaged_files_are_skipped_by_name(void)
{
    uint8_t bytes[256], longer[QE_STORE_VALUE_MAX + 64] = "qestore1";
    scratch_begin();
    open_store();
    put("good", "value");
    put("bad", "value");
    qe_store_close(store);
    size_t size = scratch_read("store/bad", bytes, sizeof bytes);
    // Every byte counts, and so does every length.
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x10;
        scratch_write("store/bad", bytes, size, 0600);
        bytes[i] ^= 0x10;
        open_store();
        CU_ASSERT_EQUAL(load(), 1);
        CU_ASSERT_STRING_EQUAL(loaded, "good=value;");
        CU_ASSERT_EQUAL(complaints, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(complaint, "store/bad skipped: damaged"));
        qe_store_close(store);
    }
    for (size_t cut = 0; cut < size; cut++) {
        scratch_write("store/bad", bytes, cut, 0600);
        open_store();
        CU_ASSERT_EQUAL(load(), 1);
        qe_store_close(store);
    }
    // Renamed: good bytes under a wrong name.
    scratch_write("store/bad", bytes, size, 0600);
    CU_ASSERT_EQUAL(rename(scratch_path("store/bad"), scratch_path("store/other")), 0);
    scratch_write("store/large", longer, sizeof longer, 0600);
    scratch_write("store/Not a key", "x", 1, 0600);
    scratch_write("store/half~", "x", 1, 0600);
    mkdir(scratch_path("store/folder"), 0700);
    CU_ASSERT_EQUAL(symlink("/dev/zero", scratch_path("store/link")), 0);
    mkfifo(scratch_path("store/fifo"), 0600);
    open_store();
    CU_ASSERT_EQUAL(load(), 1);
    CU_ASSERT_EQUAL(complaints, 5);
    qe_store_close(store);
    CU_ASSERT_EQUAL(access(scratch_path("store/half~"), F_OK), -1);
    scratch_end();
}

// The child overwrites three items in a row, again and again, each value one letter many times.
static void write_forever(void)
{
    if (qe_store_open(&store, scratch_path(""), &fault) || qe_store_start(store)) _exit(1);
    for (unsigned round = 0;; round++) {
        char value[3000], key[8] = "item-0";
        memset(value, 'a' + (int)(round % 26), sizeof value);
        key[5] = (char)('0' + round % 3);
        qe_store_put(store, key, qe_span(value, sizeof value));
        if (round % 3 == 0) qe_store_flush(store);
    }
}

static void on_whole_item(void *user, const char *key, struct qe_span value)
{
    (void)user, (void)key;
    CU_ASSERT_EQUAL(value.size, 3000);
    for (size_t i = 1; i < value.size; i++)
        if (value.data[i] != value.data[0]) CU_FAIL("half of one value and half of another");
}

static void a_kill_at_any_moment_leaves_old_or_new_values(void)
{
    struct unit_random random = unit_random();
    scratch_begin();
    for (int round = 0; round < 40; round++) {
        pid_t pid = fork();
        if (pid == 0) write_forever();
        CU_ASSERT_FATAL(pid > 0);
        usleep((useconds_t)(3000 + unit_random_below(&random, 12000)));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        open_store();
        complaints = 0;
        size_t count = qe_store_load(store, on_whole_item, on_complaint, NULL);
        CU_ASSERT(count <= 3);
        CU_ASSERT_EQUAL(complaints, 0);
        CU_ASSERT_EQUAL(scratch_count("store"), count);
        qe_store_close(store);
    }
    scratch_end();
}

// Returns 0 where the store does what it should on a disk that takes nothing more, and later does again.
static int try_full_disk(void (*fill)(void), void (*drain)(void), const char *expected)
{
    char line[1024] = "";
    bool failed = false;
    if (qe_store_open(&store, scratch_path(""), &fault) || qe_store_start(store)) return 1;
    put("kept", "old");
    qe_store_flush(store);
    fill();
    static uint8_t large[QE_STORE_VALUE_MAX];
    qe_store_put(store, "kept", qe_span(large, sizeof large));
    qe_store_flush(store);
    if (!qe_store_report(store, &failed, line, sizeof line) || !failed || !strstr(line, expected)) {
        fprintf(stderr, "report: %s\n", line);
        return 2;
    }
    // One line, however often it fails.
    qe_store_put(store, "kept", qe_span(large, sizeof large));
    qe_store_flush(store);
    if (qe_store_report(store, &failed, line, sizeof line)) return 3;
    if (qe_store_lost(store) != 2) return 4;
    if (load() != 1 || strcmp(loaded, "kept=old;") != 0) return 5;
    drain();
    put("kept", "new");
    qe_store_flush(store);
    if (!qe_store_report(store, &failed, line, sizeof line) || failed) return 6;
    if (load() != 1 || strcmp(loaded, "kept=new;") != 0) return 7;
    qe_store_close(store);
    return 0;
}

static void limit_file_size(void)
{
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){100, RLIM_INFINITY});
}

static void lift_file_size(void)
{
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
}

static void fill_disk(void)
{
    static char zeros[4096];
    int fd = open(scratch_path("filler"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, zeros, sizeof zeros) > 0) {
    }
    close(fd);
}

static void drain_disk(void)
{
    unlink(scratch_path("filler"));
}

// What got lost before anybody asked is lost all the same; and stored anew it is there.
static int settle_tells(void)
{
    if (qe_store_open(&store, scratch_path(""), &fault) || qe_store_start(store)) return 1;
    static uint8_t large[QE_STORE_VALUE_MAX];
    if (!qe_store_settle(store)) return 2;
    limit_file_size();
    qe_store_put(store, "other", qe_span(large, sizeof large));
    qe_store_flush(store);
    // Of what was lost before the mark nobody asks.
    qe_store_mark(store);
    put("small", "1");
    if (!qe_store_settle(store)) return 3;
    qe_store_mark(store);
    qe_store_put(store, "spent", qe_span(large, sizeof large));
    qe_store_flush(store); // the worker was faster
    if (qe_store_settle(store) || qe_store_settle(store)) return 4;
    lift_file_size();
    if (qe_store_settle(store)) return 5;
    qe_store_mark(store);
    qe_store_put(store, "spent", qe_span(large, sizeof large));
    qe_store_mark(store);
    if (!qe_store_settle(store) || !qe_store_settle(store)) return 6;
    qe_store_close(store);
    return 0;
}

// In a process of its own: limits and mounts last.
static int in_child(int (*run)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) _exit(run());
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int with_file_limit(void)
{
    return try_full_disk(limit_file_size, lift_file_size, "state is not saved");
}

static int with_tiny_disk(void)
{
    if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS)) return 77;
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    if (mount("tmpfs", scratch_path(""), "tmpfs", 0, "size=128k")) return 77;
    return try_full_disk(fill_disk, drain_disk, "disk full");
}

static void writes_that_fail_are_reported_once_and_leave_the_old_value(void)
{
    scratch_begin();
    CU_ASSERT_EQUAL(in_child(with_file_limit), 0);
    scratch_end();
    scratch_begin();
    int status = in_child(with_tiny_disk);
    if (status == 77) puts("skipped: no right to mount a small disk");
    CU_ASSERT(status == 0 || status == 77);
    scratch_end();
}

static void whether_all_is_there_can_be_asked(void)
{
    scratch_begin();
    CU_ASSERT_EQUAL(in_child(settle_tells), 0);
    scratch_end();
}

static void a_folder_that_cannot_be_made_is_named(void)
{
    scratch_begin();
    scratch_write("store", "", 0, 0600);
    CU_ASSERT_EQUAL(qe_store_open(&store, scratch_path(""), &fault), -1);
    CU_ASSERT_EQUAL(fault.exit, QE_EXIT_STATE);
    CU_ASSERT_PTR_NOT_NULL(strstr(fault.text, "/store is not a directory"));
    scratch_end();
}

static const struct unit_case cases[] = {
    {"what is put is there after a restart", what_is_put_is_there_after_a_restart},
    {"only documented keys are taken", only_documented_keys_are_taken},
    {"values have a maximum", values_have_a_maximum},
    {"a queue that nobody empties is bounded", a_queue_that_nobody_empties_is_bounded},
    {"damaged files are skipped by name", damaged_files_are_skipped_by_name},
    {"a kill at any moment leaves old or new values", a_kill_at_any_moment_leaves_old_or_new_values},
    {"writes that fail are reported once and leave the old value",
        writes_that_fail_are_reported_once_and_leave_the_old_value},
    {"whether all is there can be asked", whether_all_is_there_can_be_asked},
    {"a folder that cannot be made is named", a_folder_that_cannot_be_made_is_named},
};
UNIT_MAIN("store", cases)

// Operations of nodes under way, found again by node and number when an answer comes.
#include "crowd/internal.h"

static uint32_t task_new(struct sim_crowd *crowd)
{
    if (crowd->task_spare != SIM_NO_TASK) {
        uint32_t index = crowd->task_spare;
        crowd->task_spare = crowd->tasks[index].next;
        return index;
    }
    SIM_ROOM(crowd->tasks, crowd->task_count, crowd->task_capacity);
    return crowd->task_count++;
}

bool sim_task_start(
    struct sim_crowd *crowd, uint32_t member, const struct qe_dht_request *request, struct sim_task task)
{
    struct sim_member *m = &crowd->members[member];
    uint64_t operation = qe_dht_start(m->dht, request, crowd->now_ns);
    if (operation == 0) return false;
    uint32_t index = task_new(crowd);
    task.member = member;
    task.operation = operation;
    task.next = m->task;
    task.begun_ns = crowd->now_ns;
    crowd->tasks[index] = task;
    m->task = index;
    sim_member_settle(crowd, member);
    return true;
}

void sim_task_answer(void *user, const struct qe_dht_answer *answer)
{
    struct sim_member *m = user;
    struct sim_crowd *crowd = m->crowd;
    uint32_t *at = &m->task;
    while (*at != SIM_NO_TASK && crowd->tasks[*at].operation != answer->operation)
        at = &crowd->tasks[*at].next;
    if (*at == SIM_NO_TASK) return;
    uint32_t index = *at;
    struct sim_task *task = &crowd->tasks[index];
    if (answer->final) *at = task->next;
    switch (task->kind) {
    case SIM_TASK_PUT:
        sim_items_answer(crowd, task, answer);
        break;
    case SIM_TASK_LOOKUP:
        sim_lookups_answer(crowd, task, answer);
        break;
    case SIM_TASK_ATTACK:
        sim_attacks_answer(crowd, task, answer);
        break;
    }
    if (!answer->final) return;
    task->next = crowd->task_spare;
    crowd->task_spare = index;
}

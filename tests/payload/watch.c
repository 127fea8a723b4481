// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: watch PAYLOAD BACKEND MODULE
 *
 * Takes logs and snapshots of the memory of a guest that writes to it all the
 * time: PAYLOAD is writer.elf, which says what it writes, BACKEND and MODULE
 * are for --memory backend= and --module.  Exit status: 0 passed, 1 failed, 4
 * skipped, with a line that says why.
 *
 * The main thread runs the VM; another one watches it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "error.h"
#include "memory.h"
#include "options.h"
#include "vcpu.h"
#include "vm.h"

#define MIB (1ULL << 20)
#define SIZE (16 * MIB)
#define FIRST (4 * MIB) /* as writer.c has it */
#define PAGES 512
#define IMAGE MIB /* where it is, beginning with a note that nobody reads */
#define ROUNDS 20
#define LIMIT 60 /* seconds until a guest that does nothing is given up */

struct watch {
	struct vm vm;
	struct config cfg;
	int status;
	char why[512];
};

struct replica {
	struct mem_log *log;
	uint8_t *data;
};

#define CHECK(w, cond, ...)                                                \
	do {                                                               \
		if (!(cond)) {                                             \
			snprintf((w)->why, sizeof((w)->why), __VA_ARGS__); \
			return 1;                                          \
		}                                                          \
	} while (0)

static uint32_t number(const uint8_t *memory, unsigned int page)
{
	return __atomic_load_n((const uint32_t *)(memory + FIRST +
						  page * MEM_PAGE),
			       __ATOMIC_RELAXED);
}

/* The guest has begun and ended a pass. */
static int wait_passes(struct watch *w, unsigned int passes)
{
	const uint8_t *base = w->vm.mem.base;
	uint32_t goal = number(base, PAGES - 1) + passes + 1;
	unsigned int i;

	for (i = 0; number(base, PAGES - 1) < goal; i++) {
		CHECK(w, i < LIMIT * 1000, "the guest does not write");
		usleep(1000);
	}
	return 0;
}

static uint8_t *copy_of(const struct mem *mem)
{
	uint8_t *copy = malloc(SIZE);

	if (copy && pread(mem->fd, copy, SIZE, 0) != (ssize_t)SIZE)
		memset(copy, 0xee, SIZE);
	return copy;
}

/* Numbers of one instant fall once at most, by one. */
static int one_instant(struct watch *w, const uint8_t *memory)
{
	unsigned int i, falls = 0;
	uint32_t a, b;

	for (i = 1; i < PAGES; i++) {
		a = number(memory, i - 1);
		b = number(memory, i);
		falls += a != b;
		CHECK(w, a == b || (a == b + 1 && falls == 1),
		      "a snapshot of several instants: page %u has %u, the one before %u",
		      i, b, a);
	}
	return 0;
}

/* Only the module can arm while the guest runs. */
static int snapshot(struct watch *w, bool running)
{
	struct mem *mem = &w->vm.mem;
	struct mem_snapshot *s;
	uint8_t *now = NULL, *buf = malloc(SIZE);
	struct error err;
	int rc, bad = 1;

	if (!running) {
		vcpus_park(&w->vm);
		now = copy_of(mem);
	}
	rc = mem_snapshot_arm(mem, 0, &s, &err);
	if (!running)
		vcpus_run(&w->vm);
	if (rc) {
		snprintf(w->why, sizeof(w->why), "%s", err.text);
		free(now);
		free(buf);
		return rc == -EPERM || rc == -EOPNOTSUPP || rc == -ENOSYS ? 4 :
									    1;
	}
	if (wait_passes(w, 1))
		goto out;
	rc = mem_snapshot_read(s, 0, buf, SIZE);
	if (rc)
		snprintf(w->why, sizeof(w->why), "cannot read a snapshot: %s",
			 strerror(-rc));
	else if (now && memcmp(now, buf, SIZE))
		snprintf(w->why, sizeof(w->why),
			 "a snapshot is not what the memory was");
	else
		bad = one_instant(w, buf);
out:
	mem_snapshot_drop(s);
	free(now);
	free(buf);
	return bad;
}

static int snapshot_over_limit(struct watch *w)
{
	struct mem_snapshot_stat stat;
	struct mem_snapshot *s;
	struct error err;
	char byte;
	int rc;

	vcpus_park(&w->vm);
	rc = mem_snapshot_arm(&w->vm.mem, 16 * MEM_PAGE, &s, &err);
	vcpus_run(&w->vm);
	CHECK(w, !rc, "%s", err.text);
	if (wait_passes(w, 2))
		return 1;
	rc = mem_snapshot_stat(s, &stat);
	CHECK(w, !rc && stat.error == ENOSPC,
	      "a snapshot past its limit has error %d (%d)", stat.error, rc);
	rc = mem_snapshot_read(s, 0, &byte, 1);
	CHECK(w, rc == -EIO, "reading from it gives %d", rc);
	mem_snapshot_drop(s);
	return 0;
}

static int follow(struct watch *w, struct replica *r, uint64_t start,
		  uint64_t len)
{
	uint64_t bitmap[SIZE / MEM_PAGE / 64], at, i;
	int64_t n = mem_log_fetch(r->log, start, len, bitmap);

	CHECK(w, n >= 0, "cannot fetch from a log: %s", strerror((int)-n));
	for (i = 0; i < len / MEM_PAGE; i++) {
		at = start + i * MEM_PAGE;
		if (bitmap[i / 64] >> i % 64 & 1)
			memcpy(r->data + at, w->vm.mem.base + at, MEM_PAGE);
	}
	return 0;
}

static int begin(struct watch *w, struct replica *r)
{
	struct error err;

	CHECK(w, !mem_log_start(&w->vm.mem, &r->log, &err), "%s", err.text);
	r->data = copy_of(&w->vm.mem);
	return 0;
}

/* Two logs of a guest that writes: each has the whole of it in the end. */
static int logs(struct watch *w)
{
	struct replica r[2] = { { 0 } };
	unsigned int i, round;
	uint64_t at;
	int bad;

	bad = begin(w, &r[0]) || wait_passes(w, 1) || begin(w, &r[1]);
	for (round = 0; !bad && round < ROUNDS; round++) {
		bad = follow(w, &r[0], 0, SIZE);
		for (at = 0; !bad && at < SIZE; at += 2 * MIB)
			bad = follow(w, &r[1], at, 2 * MIB);
		bad = bad || (round % 4 == 0 && wait_passes(w, 1));
	}
	if (bad)
		return 1;
	vcpus_park(&w->vm);
	for (i = 0; i < 2; i++) {
		if (follow(w, &r[i], 0, SIZE))
			return 1;
		CHECK(w, !memcmp(r[i].data, w->vm.mem.base, SIZE),
		      "log %u missed a write", i);
		mem_log_stop(r[i].log);
		free(r[i].data);
	}
	vcpus_run(&w->vm);
	return 0;
}

/*
 * The kernel is loaded again, by means of its own: the snapshot keeps a byte
 * that was changed in it, and the log has it changed back.
 */
static int across_reset(struct watch *w)
{
	uint8_t *base = w->vm.mem.base, *buf = malloc(SIZE), *now;
	uint32_t before = number(base, 0);
	struct mem_snapshot *s;
	struct replica r;
	struct error err;
	int rc, i;

	vcpus_park(&w->vm);
	base[IMAGE] ^= 0xff;
	mem_written(&w->vm.mem, base + IMAGE, 1);
	now = copy_of(&w->vm.mem);
	rc = mem_snapshot_arm(&w->vm.mem, 0, &s, &err);
	CHECK(w, !rc, "%s", err.text);
	if (begin(w, &r))
		return 1;
	vcpus_run(&w->vm);
	vm_request(&w->vm, VM_REQ_RESET);
	for (i = 0; base[IMAGE] == now[IMAGE] || number(base, 0) >= before;
	     i++) {
		CHECK(w, i < LIMIT * 1000, "no reset");
		usleep(1000);
	}
	rc = mem_snapshot_read(s, 0, buf, SIZE);
	CHECK(w, !rc && !memcmp(now, buf, SIZE), "a reset changes a snapshot");
	mem_snapshot_drop(s);
	vcpus_park(&w->vm);
	if (follow(w, &r, 0, SIZE))
		return 1;
	CHECK(w, !memcmp(r.data, base, SIZE), "a log missed a reset");
	mem_log_stop(r.log);
	vcpus_run(&w->vm);
	free(r.data);
	free(now);
	free(buf);
	return 0;
}

static int watch(struct watch *w)
{
	bool running = !strcmp(mem_backend_name(&w->vm.mem), "vireo");
	int i, bad;

	if (wait_passes(w, 1) || logs(w))
		return 1;
	for (i = 0; i < 5; i++) {
		bad = snapshot(w, false);
		if (!bad && running)
			bad = snapshot(w, true);
		if (bad)
			return bad;
	}
	/* The last, since the guest counts anew then. */
	return snapshot_over_limit(w) || snapshot(w, false) || across_reset(w);
}

static void *watch_main(void *opaque)
{
	struct watch *w = opaque;

	w->status = watch(w);
	vm_request(&w->vm, VM_REQ_STOP);
	return NULL;
}

static int run(struct watch *w, char **argv)
{
	char memory[64];
	char *args[] = { "--kernel",  argv[1], "--memory", memory,
			 "--console", "none",  "--module", argv[3] };
	pthread_t thread;
	struct error err;
	int rc;

	snprintf(memory, sizeof(memory), "16M,backend=%s", argv[2]);
	rc = options_parse(&w->cfg, 8, args, &err);
	CHECK(w, !rc, "%s", err.text);
	rc = vm_create(&w->vm, &w->cfg, &err);
	CHECK(w, !rc, "%s", err.text);
	rc = pthread_create(&thread, NULL, watch_main, w);
	CHECK(w, !rc, "no thread: %s", strerror(rc));
	rc = vm_run(&w->vm, &err);
	pthread_join(thread, NULL);
	vm_destroy(&w->vm);
	config_free(&w->cfg);
	CHECK(w, rc == VM_REQ_STOP || w->status, "the guest ended: %d", rc);
	return w->status;
}

int main(int argc, char **argv)
{
	static struct watch w;
	int status;

	if (argc != 4) {
		fprintf(stderr, "usage: watch PAYLOAD BACKEND MODULE\n");
		return 2;
	}
	status = run(&w, argv);
	if (status)
		puts(w.why);
	return status;
}

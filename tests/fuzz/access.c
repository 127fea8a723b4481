// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes what serves a guest's accesses: two vCPUs access random addresses in
 * every way, while the owner of the VM adds, removes and switches regions with
 * random rules.  The module must refuse the tables that the ABI refuses.
 *
 * In every second round the owner also scribbles over all that it shares with
 * the module.  In the others it behaves, and looks: posts must make sense, and
 * what no rule lets a guest change must stay as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../kselftest/common.h"
#include "../kselftest/guest.h"
#include "fuzz.h"
#include "tables.h"
#include "vcpu.h"

#define VCPUS 2
#define SLOTS 8
#define STATS_ROOM 16384

/* A region; not there if there is no area. */
struct slot {
	struct table table;
	int id;
	struct area area;
};

/* A VM and the thread that owns it. */
struct owner {
	struct fuzz *f;
	int number;
	bool honest;
	struct rng rng;
	struct table_env env;
	struct guest *g;
	int dev, vm;
	struct runner run[VCPUS];
	struct slot slot[SLOTS];
	struct table nonsense;
	pthread_t thread;
};

static struct slot *any_slot(struct owner *o, bool used)
{
	int i = rng_below(&o->rng, SLOTS), n;

	for (n = 0; n < SLOTS; n++, i = (i + 1) % SLOTS)
		if (!o->slot[i].area.shadow == !used)
			return &o->slot[i];
	return NULL;
}

static uint8_t canary(uint32_t at)
{
	return at * 7 + 3;
}

/* ---- honest checks ------------------------------------------------------- */

static void check_post(struct owner *o, const struct slot *s,
		       const struct vireo_post *p)
{
	bool width_ok = p->width == 1 || p->width == 2 || p->width == 4 ||
			p->width == 8;

	if (!width_ok || p->reserved || p->vcpu >= VCPUS ||
	    (uint64_t)p->offset + p->width > s->table.add.len ||
	    (p->width < 8 && p->value >> (8 * p->width)))
		fuzz_complain(o->f,
			      "post: offset %#x width %u vcpu %u value %#llx",
			      p->offset, p->width, p->vcpu,
			      (unsigned long long)p->value);
	fuzz_checked(o->f);
}

static void drain(struct owner *o, struct slot *s)
{
	uint32_t entries = s->table.add.ring_entries, at, n;
	struct vireo_ring *ring = s->area.ring;
	struct vireo_post post;

	if (!ring)
		return;
	if (ring->entries != entries)
		fuzz_complain(o->f, "a ring of %u entries says it has %u",
			      entries, ring->entries);
	if (ring->tail - ring->head > entries)
		fuzz_complain(o->f, "a ring of %u entries has more", entries);
	/* Guests may post as fast as this takes. */
	for (n = 0; n < entries; n++) {
		at = ring->head & (entries - 1);
		if (ring->head ==
		    __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE))
			return;
		post = ring->post[at];
		check_post(o, s, &post);
		/* Not to be seen again. */
		ring->post[at].width = 0xff;
		__atomic_store_n(&ring->head, ring->head + 1, __ATOMIC_RELEASE);
	}
}

static void check_canaries(struct owner *o, const struct slot *s)
{
	uint32_t i, bytes = table_shadow_bytes(&s->table);

	for (i = 0; i < bytes; i++) {
		if (s->area.shadow[i] == canary(i) ||
		    table_changes(&s->table, i))
			continue;
		fuzz_complain(o->f, "byte %#x of a shadow changed, to %#x", i,
			      s->area.shadow[i]);
	}
	fuzz_checked(o->f);
}

/* ---- steps --------------------------------------------------------------- */

static int map_area(struct owner *o, struct slot *s)
{
	const struct vireo_io_add *add = &s->table.add;
	size_t shadow = table_shadow_bytes(&s->table), size = shadow;
	void *p;

	if (add->ring_entries)
		size += sizeof(struct vireo_ring) +
			add->ring_entries * sizeof(struct vireo_post);
	size = (size + 4095) & ~4095UL;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, o->vm,
		 s->id * VIREO_IO_AREA_STRIDE);
	if (p == MAP_FAILED)
		return -errno;
	s->area.shadow = p;
	s->area.size = size;
	s->area.ring = add->ring_entries ? p + shadow : NULL;
	return 0;
}

static long do_add(void *ctx)
{
	struct owner *o = ctx;
	struct slot *s = any_slot(o, false);
	uint32_t i;
	int ret;

	if (!s)
		return -EBUSY;
	table_make(&s->table, &o->rng, &o->env);
	if (!table_valid(&s->table, &o->env))
		fuzz_complain(o->f, "the fuzzer makes invalid tables");
	if (o->honest)
		s->table.add.flags = VIREO_IO_DISABLED;
	s->id = io_add(o->vm, &s->table.add);
	if (s->id == -EEXIST || s->id == -ENOSPC || s->id == -ENOMEM ||
	    s->id == -EOPNOTSUPP)
		return s->id;
	if (s->id < 0) {
		fuzz_complain(o->f, "a valid region is refused: %d", s->id);
		return s->id;
	}
	fuzz_checked(o->f);
	ret = map_area(o, s);
	if (ret) {
		fuzz_complain(o->f, "an area cannot be mapped: %d", ret);
		return ret;
	}
	if (!o->honest)
		return 0;
	for (i = 0; i < table_shadow_bytes(&s->table); i++)
		s->area.shadow[i] = canary(i);
	return io_enable(o->vm, s->id);
}

static int try_nonsense(struct owner *o)
{
	struct table *t = &o->nonsense;
	int ret;

	table_make(t, &o->rng, &o->env);
	table_spoil(t, &o->rng);
	ret = io_add(o->vm, &t->add);
	if (ret == -EOPNOTSUPP)
		return ret;
	if (ret >= 0 && !table_valid(t, &o->env))
		fuzz_complain(o->f, "an invalid region is taken");
	else if ((ret == -EINVAL || ret == -EBADF) && table_valid(t, &o->env))
		fuzz_complain(o->f, "a valid region is refused: %d", ret);
	fuzz_checked(o->f);
	if (ret >= 0 && io_del(o->vm, ret))
		fuzz_complain(o->f, "a region cannot be removed");
	return ret;
}

/* Until one is taken: to refuse is cheap. */
static long do_nonsense(void *ctx)
{
	int i, ret = -EINVAL;

	for (i = 0; i < 20 && ret < 0; i++)
		ret = try_nonsense(ctx);
	return ret;
}

static long do_del(void *ctx)
{
	struct owner *o = ctx;
	struct slot *s = any_slot(o, true);
	int ret;

	if (!s)
		return -ENOENT;
	ret = io_del(o->vm, s->id);
	if (ret)
		fuzz_complain(o->f, "a region cannot be removed: %d", ret);
	/* Nobody serves from it now. */
	if (o->honest) {
		drain(o, s);
		check_canaries(o, s);
	}
	area_unmap(&s->area);
	memset(&s->area, 0, sizeof(s->area));
	return ret;
}

static long do_enable(void *ctx)
{
	struct owner *o = ctx;
	struct slot *s = any_slot(o, true);
	struct vireo_io_id arg = { .size = sizeof(arg) };

	if (!s)
		return -ENOENT;
	arg.id = s->id;
	arg.flags = rng_one_in(&o->rng, 4) ? VIREO_IO_DISABLED : 0;
	return IOCTL(o->vm, VIREO_IO_ENABLE, &arg);
}

static long do_drain(void *ctx)
{
	struct owner *o = ctx;
	struct slot *s = any_slot(o, true);

	if (!s)
		return -ENOENT;
	if (o->honest)
		drain(o, s);
	else if (s->area.ring)
		s->area.ring->head = s->area.ring->tail;
	eventfd_take(o->env.event);
	return 0;
}

static long do_scribble(void *ctx)
{
	struct owner *o = ctx;
	struct slot *s = any_slot(o, true);
	struct rng *r = &o->rng;
	uint64_t v = rng_edge(r);

	if (o->honest || !s)
		return -ENOENT;
	switch (rng_below(r, 5)) {
	case 0:
		if (s->area.ring)
			s->area.ring->head = s->area.ring->tail + v;
		break;
	case 1:
		if (s->area.ring)
			s->area.ring->tail = v;
		break;
	case 2:
		if (s->area.ring)
			s->area.ring->entries = v;
		break;
	case 3:
		memset(s->area.shadow, v, s->area.size);
		break;
	default:
		memcpy(s->area.shadow + rng_below(r, s->area.size - 8), &v, 8);
	}
	return 0;
}

static long do_scribble_run(void *ctx)
{
	struct owner *o = ctx;

	if (o->honest)
		return -ENOENT;
	run_spoil(o->g, rng_below(&o->rng, VCPUS), &o->rng);
	return 0;
}

static bool stats_ok(const uint8_t *buf, uint32_t len)
{
	const struct vireo_stats_header *h = (const void *)buf;
	const struct vireo_stats_desc *d;
	uint64_t i;

	if (h->version != VIREO_STATS_VERSION || h->id_offset >= len ||
	    !memchr(buf + h->id_offset, 0, len - h->id_offset) ||
	    h->desc_offset + h->num_desc * (uint64_t)sizeof(*d) > len)
		return false;
	d = (const void *)(buf + h->desc_offset);
	for (i = 0; i < h->num_desc; i++)
		if (!memchr(d[i].name, 0, sizeof(d[i].name)) ||
		    (uint64_t)h->data_offset + d[i].offset + 8ULL * d[i].size >
			    len)
			return false;
	return true;
}

static long do_stats(void *ctx)
{
	static _Thread_local uint8_t buf[STATS_ROOM + 1];
	struct owner *o = ctx;
	struct rng *r = &o->rng;
	struct vireo_stats arg = {
		.size = sizeof(arg),
		.what = rng_below(r, 4),
		.buf = (uintptr_t)buf,
		.len = rng_one_in(r, 2) ? STATS_ROOM : rng_below(r, 2000),
	};
	uint32_t room = arg.len;
	int ret;

	if (rng_one_in(r, 4))
		arg.flags = VIREO_STATS_RESET;
	if (arg.what)
		arg.id = rng_below(r, arg.what == VIREO_STATS_VCPU ? 3 : SLOTS);
	memset(buf, 0x5a, sizeof(buf));
	ret = IOCTL(o->vm, VIREO_STATS, &arg);
	if (ret)
		return ret;
	if (buf[room] != 0x5a)
		fuzz_complain(o->f, "statistics past the end of the buffer");
	if (arg.len <= room && !stats_ok(buf, arg.len))
		fuzz_complain(o->f, "statistics that make no sense");
	fuzz_checked(o->f);
	return 0;
}

static long do_debugfs(void *ctx)
{
	static const char *const names[] = { "info", "exits", "regions" };
	struct owner *o = ctx;
	char path[400], buf[8192];
	int fd, ret = 0;

	if (!stats_dir(getpid(), buf, 200))
		return -ENOENT;
	snprintf(path, sizeof(path), "%.200s/%s", buf,
		 names[rng_below(&o->rng, ARRAY_LEN(names))]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (read(fd, buf, sizeof(buf)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static long do_script(void *ctx)
{
	struct owner *o = ctx;

	script_spoil(o->g, rng_below(&o->rng, VCPUS), &o->rng);
	return 0;
}

static long do_kick(void *ctx)
{
	struct owner *o = ctx;

	return -pthread_kill(o->run[rng_below(&o->rng, VCPUS)].thread, SIGUSR1);
}

/* From vireo's ioctl to KVM's, or to a new vCPU fd. */
static long do_switch(void *ctx)
{
	struct owner *o = ctx;
	int i = rng_below(&o->rng, VCPUS);
	int fd = rng_one_in(&o->rng, 4) ? -1 :
					  guest_vcpu_create(o->g, o->vm, i);
	int old;

	if (fd < -1)
		return fd;
	old = atomic_exchange(&o->run[i].vireo, fd);
	if (old >= 0)
		close(old);
	return 0;
}

/* Lets the guest do something. */
static long do_wait(void *ctx)
{
	struct owner *o = ctx;

	usleep(rng_below(&o->rng, 10000));
	return 0;
}

static const struct fuzz_op ops[] = {
	{ "add", do_add, 30, false },
	{ "nonsense", do_nonsense, 20, false },
	{ "del", do_del, 10, false },
	{ "enable", do_enable, 10, false },
	{ "drain", do_drain, 10, false },
	{ "scribble", do_scribble, 20, false },
	{ "scribble-run", do_scribble_run, 10, false },
	{ "stats", do_stats, 10, false },
	{ "debugfs", do_debugfs, 2, false },
	{ "script", do_script, 10, false },
	{ "kick", do_kick, 5, false },
	{ "switch", do_switch, 5, false },
	{ "wait", do_wait, 40, false },
};

/* ---- rounds -------------------------------------------------------------- */

static int owner_start(struct owner *o)
{
	struct vireo_vm_create create = {
		.size = sizeof(create),
		.name = "access",
		.vcpus = rng_below(&o->rng, VCPUS + 2),
	};
	struct vireo_info info = { .size = sizeof(info) };
	int i, ret;

	o->g = mmap(NULL, sizeof(*o->g), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ret = guest_create(o->g, VCPUS);
	if (ret)
		return ret;
	o->dev = vireo_open();
	create.kvm_fd = o->g->vm;
	o->vm = IOCTL(o->dev, VIREO_VM_CREATE, &create);
	if (o->vm < 0)
		return o->vm;
	ret = IOCTL(o->dev, VIREO_INFO, &info);
	if (!ret)
		ret = table_env_init(&o->env, o->dev);
	for (i = 0; i < VCPUS && !ret; i++) {
		script_make(o->g, i, &o->rng);
		o->run[i] = (struct runner){
			.g = o->g,
			.vcpu = i,
			.vireo = -1,
			.kick_usec = rng_one_in(&o->rng, 2) ? 5000 : 0,
			.board = o->f->board,
			.rng = { rng_next(&o->rng) },
		};
		if (info.caps & VIREO_CAP_VCPU)
			o->run[i].vireo = guest_vcpu_create(o->g, o->vm, i);
		ret = runner_start(&o->run[i]);
	}
	return ret;
}

static void *own(void *arg)
{
	struct owner *o = arg;
	int ret, i;

	ret = owner_start(o);
	if (ret) {
		fuzz_complain(o->f, "no guest: %s", strerror(-ret));
		return NULL;
	}
	fuzz_steps(o->f, o->number, &o->rng, o);
	/* In every second round, the end of the process does it all. */
	if (rng_one_in(&o->rng, 2))
		return NULL;
	for (i = 0; i < VCPUS; i++)
		runner_stop(&o->run[i]);
	while (any_slot(o, true) && !do_del(o))
		;
	close(o->vm);
	guest_destroy(o->g);
	return NULL;
}

static int one_round(struct fuzz *f, uint64_t seed)
{
	struct rng r = { seed };
	bool honest = rng_one_in(&r, 2);
	struct owner *owner;
	unsigned int i;

	owner = calloc(f->threads, sizeof(*owner));
	if (!owner)
		return 1;
	for (i = 0; i < f->threads; i++) {
		owner[i].f = f;
		owner[i].number = i;
		owner[i].honest = honest;
		owner[i].rng.state = rng_next(&r);
		if (pthread_create(&owner[i].thread, NULL, own, &owner[i]))
			return 1;
	}
	for (i = 0; i < f->threads; i++)
		pthread_join(owner[i].thread, NULL);
	return *f->board->complaint != 0;
}

int main(int argc, char **argv)
{
	struct fuzz f = {
		.name = "access",
		.ops = ops,
		.nr_ops = ARRAY_LEN(ops),
		.round = one_round,
		.threads = 1,
		.steps = 300,
	};

	return fuzz_main(&f, argc, argv);
}

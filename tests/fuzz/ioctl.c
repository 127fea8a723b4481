// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes the ioctls of /dev/vireo, and all else that can be done with its
 * descriptors, from several threads at once, while a guest hammers on the
 * regions that come and go.  What must hold: the kernel does not complain,
 * each call returns, the descriptors are nothing to another address space, and
 * nothing is left when the process is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest/common.h"
#include "../kselftest/guest.h"
#include "fuzz.h"
#include "pool.h"
#include "tables.h"
#include "vcpu.h"

#define VCPUS 4
#define RUNNERS 2
/* Ids of regions that are tried. */
#define IDS 24
#define MAX_STRUCT 256

/* What the threads of a round share. */
struct shared {
	struct fuzz *f;
	struct pool pool;
	struct guest *g;
	struct table_env env;
	struct runner run[RUNNERS];
	int vm;	     /* that the runners' vCPUs begin with; it stays open */
	bool compat; /* there is int $0x80 */
};

struct fuzzer {
	struct shared *s;
	int number;
	struct rng rng;
	struct arena arena;
	struct table table;
	pthread_t thread;
};

/* ---- calling ------------------------------------------------------------- */

/* As a 32-bit program does. */
static long compat_ioctl(int fd, unsigned int cmd, uint32_t arg)
{
	long ret = 54;

	asm volatile("int $0x80"
		     : "+a"(ret)
		     : "b"((long)fd), "c"((long)cmd), "d"((long)arg)
		     : "r8", "r9", "r10", "r11", "memory");
	return (int)ret;
}

static bool compat_works(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(compat_ioctl(-1, 0, 0) == -EBADF ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

/* An ioctl with a struct that is as it should be, or not. */
static long call(struct fuzzer *z, int fd, unsigned int cmd, const void *arg,
		 size_t size)
{
	uint8_t data[MAX_STRUCT] = {};
	struct rng *r = &z->rng;
	uint64_t at;

	memcpy(data, arg, size);
	if (rng_one_in(r, 3))
		size = spoil_struct(r, data, size, sizeof(data));
	if (rng_one_in(r, 32))
		cmd ^= 1U << rng_below(r, 32);
	at = arena_put(&z->arena, r, data, size);
	if (z->s->compat && at >> 32 == 0 && rng_one_in(r, 8))
		return compat_ioctl(fd, cmd, at);
	return IOCTL(fd, cmd, at);
}

#define CALL(z, fd, cmd, arg) call(z, fd, cmd, &(arg), sizeof(arg))

/* The id of a region: low ones are in use more often. */
static uint32_t any_id(struct fuzzer *z)
{
	return rng_below(&z->rng, 1 + rng_below(&z->rng, IDS));
}

static int pick(struct fuzzer *z, enum pool_kind kind)
{
	return pool_pick(&z->s->pool, &z->rng, kind);
}

/* Where the guest sees what is done to regions, half of the time. */
static int pick_vm(struct fuzzer *z)
{
	return rng_one_in(&z->rng, 2) ? z->s->vm : pick(z, POOL_VM);
}

static int put(struct fuzzer *z, enum pool_kind kind, int fd)
{
	return pool_put_new(&z->s->pool, &z->rng, kind, fd);
}

/* ---- ioctls -------------------------------------------------------------- */

static long do_open(void *ctx)
{
	return put(ctx, POOL_DEV, vireo_open());
}

static long do_info(void *ctx)
{
	struct vireo_info info = { .size = sizeof(info) };

	return CALL(ctx, pick(ctx, POOL_DEV), VIREO_INFO, info);
}

static long do_vm_create(void *ctx)
{
	struct fuzzer *z = ctx;
	struct vireo_vm_create create = {
		.size = sizeof(create),
		.kvm_fd = pick(z, POOL_KVM_VM),
		.name = "fuzz",
		.vcpus = rng_below(&z->rng, 4) << rng_below(&z->rng, 11),
	};

	if (rng_one_in(&z->rng, 2))
		create.kvm_fd = z->s->g->vm;
	return put(z, POOL_VM,
		   CALL(z, pool_find(&z->s->pool, &z->rng, POOL_DEV),
			VIREO_VM_CREATE, create));
}

static long do_io_add(void *ctx)
{
	struct fuzzer *z = ctx;
	struct table *t = &z->table;
	struct vireo_io_add add;

	table_make(t, &z->rng, &z->s->env);
	if (rng_one_in(&z->rng, 4))
		table_spoil(t, &z->rng);
	add = t->add;
	/* As much as fits: in the last page, rules may end too early. */
	add.rules = arena_put(&z->arena, &z->rng, t->rule,
			      sizeof(t->rule[0]) * (add.nr_rules & 31));
	if (rng_one_in(&z->rng, 4) || add.nr_rules > 31)
		add.rules = (uintptr_t)t->rule;
	return CALL(z, pick_vm(z), VIREO_IO_ADD, add);
}

static long do_io_id(struct fuzzer *z, unsigned int cmd, uint32_t flags)
{
	struct vireo_io_id id = {
		.size = sizeof(id),
		.flags = flags,
		.id = any_id(z),
	};

	return CALL(z, pick_vm(z), cmd, id);
}

static long do_io_del(void *ctx)
{
	return do_io_id(ctx, VIREO_IO_DEL, 0);
}

static long do_io_enable(void *ctx)
{
	struct fuzzer *z = ctx;

	return do_io_id(z, VIREO_IO_ENABLE,
			rng_one_in(&z->rng, 3) ? VIREO_IO_DISABLED : 0);
}

static long do_stats(void *ctx)
{
	struct fuzzer *z = ctx;
	struct rng *r = &z->rng;
	uint8_t none[64] = {};
	struct vireo_stats stats = {
		.size = sizeof(stats),
		.flags = rng_below(r, 2),
		.what = rng_below(r, 3),
		.buf = arena_put(&z->arena, r, none, sizeof(none)),
		.len = rng_one_in(r, 2) ? rng_below(r, 8192) : rng_edge(r),
	};

	if (stats.what)
		stats.id = any_id(z);
	return CALL(z, pick_vm(z), VIREO_STATS, stats);
}

static long do_vcpu_create(void *ctx)
{
	struct fuzzer *z = ctx;
	struct shared *s = z->s;
	int i = rng_below(&z->rng, VCPUS);
	struct vireo_vcpu_create create = {
		.size = sizeof(create),
		.vcpu_fd = s->g->vcpu[i],
		.id = i,
		.run = (uintptr_t)s->g->run[i],
	};
	struct pool_map *map;
	int vm, fd;

	switch (rng_below(&z->rng, 8)) {
	case 0:
		create.vcpu_fd = pick(z, POOL_KVM_VCPU);
		break;
	case 1:
		create.run = (uintptr_t)s->g->run[i ^ 1];
		break;
	case 2:
		create.run = rng_edge(&z->rng);
		break;
	case 3:
		/* Another file's memory; others may unmap it meanwhile. */
		map = pool_take_map(&s->pool, &z->rng);
		if (!map)
			break;
		create.run = (uintptr_t)map->at;
		pool_put_map(&s->pool, &z->rng, map);
		break;
	case 4:
		create.id = rng_edge(&z->rng);
		break;
	}
	vm = rng_one_in(&z->rng, 2) ? s->vm :
				      pool_find(&s->pool, &z->rng, POOL_VM);
	fd = CALL(z, vm, VIREO_VCPU_CREATE, create);
	/* The pool closes it one day, whoever runs the vCPU by it. */
	if (fd > STDERR_FILENO && i < RUNNERS && rng_one_in(&z->rng, 2))
		s->run[i].vireo = fd;
	return put(z, POOL_VCPU, fd);
}

static long do_vcpu_run(void *ctx)
{
	struct fuzzer *z = ctx;
	int i = RUNNERS + rng_below(&z->rng, VCPUS - RUNNERS);
	int fd = pick(z, POOL_VCPU);

	if (rng_one_in(&z->rng, 4))
		guest_restart(z->s->g, i);
	if (rng_one_in(&z->rng, 8))
		z->s->g->run[i]->immediate_exit = 1;
	return IOCTL(fd, VIREO_VCPU_RUN, rng_one_in(&z->rng, 8));
}

static long do_wild(void *ctx)
{
	struct fuzzer *z = ctx;
	struct rng *r = &z->rng;
	uint64_t data[8];
	unsigned int cmd, i;
	int fd;

	for (i = 0; i < ARRAY_LEN(data); i++)
		data[i] = rng_edge(r);
	cmd = VIREO_IOC << 8 | rng_below(r, 256);
	if (rng_one_in(r, 2))
		cmd |= rng_below(r, 1 << 16) << 16;
	/* Only vireo's: KVM's own ioctls are not what is tested. */
	fd = pool_find(&z->s->pool, r, rng_one_in(r, 2) ? POOL_VM : POOL_VCPU);
	if (fd < 0 || (cmd & 0xff) == _IOC_NR(VIREO_VCPU_CREATE))
		return -EAGAIN;
	return IOCTL(fd, cmd, arena_put(&z->arena, r, data, sizeof(data)));
}

/* ---- mappings ------------------------------------------------------------ */

static long do_mmap(void *ctx)
{
	struct fuzzer *z = ctx;
	struct rng *r = &z->rng;
	struct pool_map *map = malloc(sizeof(*map));
	off_t at = VIREO_IO_AREA_STRIDE * any_id(z);
	int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED;
	enum pool_kind kind = POOL_VM;
	int fd;

	if (rng_one_in(r, 4)) {
		kind = POOL_VCPU;
		at = 0;
	}
	if (rng_one_in(r, 16))
		at = rng_edge(r) & ~4095ULL;
	if (rng_one_in(r, 8))
		prot = rng_below(r, 8);
	if (rng_one_in(r, 16))
		flags = MAP_PRIVATE;
	if (rng_one_in(r, 16))
		flags |= MAP_POPULATE;
	map->size = 4096 * (1 + rng_below(r, rng_one_in(r, 3) ? 70 : 2));
	fd = kind == POOL_VM ? pick_vm(z) : pick(z, kind);
	map->at = mmap(NULL, map->size, prot, flags, fd, at);
	if (map->at == MAP_FAILED) {
		free(map);
		return -errno;
	}
	pool_put_map(&z->s->pool, r, map);
	return 0;
}

static long do_munmap(void *ctx)
{
	struct fuzzer *z = ctx;
	struct pool_map *map = pool_take_map(&z->s->pool, &z->rng);

	if (!map)
		return -ENOENT;
	if (map->size > 4096 && rng_one_in(&z->rng, 2)) {
		/* A part, of the end. */
		map->size -= 4096;
		munmap(map->at + map->size, 4096);
		pool_put_map(&z->s->pool, &z->rng, map);
		return 0;
	}
	munmap(map->at, map->size);
	free(map);
	return 0;
}

/* By system calls, which have an error where a store has a signal. */
static long do_scribble(void *ctx)
{
	struct fuzzer *z = ctx;
	struct rng *r = &z->rng;
	struct pool_map *map = pool_take_map(&z->s->pool, r);
	size_t at, n;
	long ret;

	if (!map)
		return -ENOENT;
	at = rng_below(r, map->size);
	n = 1 + rng_below(r, map->size - at);
	if (rng_one_in(r, 2) && n > 8)
		n = 8;
	ret = pread(z->s->pool.noise, map->at + at, n,
		    rng_below(r, POOL_NOISE - 1));
	if (ret < 0)
		ret = -errno;
	pool_put_map(&z->s->pool, r, map);
	return ret;
}

static long do_remap(void *ctx)
{
	struct fuzzer *z = ctx;
	struct rng *r = &z->rng;
	struct pool_map *map = pool_take_map(&z->s->pool, r);
	size_t size = 4096 * (1 + rng_below(r, 8));
	long ret = 0;
	void *p;

	if (!map)
		return -ENOENT;
	switch (rng_below(r, 5)) {
	case 0:
		ret = mprotect(map->at, map->size, rng_below(r, 8));
		break;
	case 1:
		ret = madvise(map->at, map->size, rng_below(r, 26));
		break;
	case 2:
		ret = mlock(map->at, map->size);
		break;
	case 3:
		/* A second mapping of the same, for 0 bytes of the old. */
		p = mremap(map->at, 0, size, MREMAP_MAYMOVE);
		ret = p == MAP_FAILED ? -1 : munmap(p, size);
		break;
	default:
		p = mremap(map->at, map->size, size, MREMAP_MAYMOVE);
		if (p == MAP_FAILED) {
			ret = -1;
			break;
		}
		map->at = p;
		map->size = size;
	}
	if (ret)
		ret = -errno;
	pool_put_map(&z->s->pool, r, map);
	return ret;
}

static long do_scribble_run(void *ctx)
{
	struct fuzzer *z = ctx;

	run_spoil(z->s->g, rng_below(&z->rng, VCPUS), &z->rng);
	return 0;
}

static long do_script(void *ctx)
{
	struct fuzzer *z = ctx;

	script_spoil(z->s->g, rng_below(&z->rng, VCPUS), &z->rng);
	return 0;
}

/* ---- descriptors --------------------------------------------------------- */

static long do_kvm_vm(void *ctx)
{
	return put(ctx, POOL_KVM_VM, kvm_vm_open());
}

static long do_kvm_vcpu(void *ctx)
{
	struct fuzzer *z = ctx;
	int vm = pool_find(&z->s->pool, &z->rng, POOL_KVM_VM);

	return put(z, POOL_KVM_VCPU,
		   IOCTL(vm, KVM_CREATE_VCPU, rng_below(&z->rng, 8)));
}

static long do_eventfd(void *ctx)
{
	return put(ctx, POOL_EVENT, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

static long do_dup(void *ctx)
{
	struct fuzzer *z = ctx;

	return pool_dup(&z->s->pool, &z->rng);
}

static long do_close(void *ctx)
{
	struct fuzzer *z = ctx;
	enum pool_kind kind;
	int fd = pool_take(&z->s->pool, &z->rng, &kind);

	return fd < 0 ? -ENOENT : close(fd);
}

/* What every file has, and few think of. */
static long do_file(void *ctx)
{
	struct fuzzer *z = ctx;
	enum pool_kind kind = rng_one_in(&z->rng, 2) ? POOL_VM : POOL_VCPU;
	int fd = pool_find(&z->s->pool, &z->rng, kind);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLOUT };
	struct stat st;
	char byte = 0;

	switch (rng_below(&z->rng, 7)) {
	case 0:
		return poll(&poll_fd, 1, 0) < 0 ? -errno : 0;
	case 1:
		return read(fd, &byte, 1) < 0 ? -errno : 0;
	case 2:
		return write(fd, &byte, 1) < 0 ? -errno : 0;
	case 3:
		return lseek(fd, rng_edge(&z->rng), SEEK_SET) < 0 ? -errno : 0;
	case 4:
		return fstat(fd, &st) < 0 ? -errno : 0;
	case 5:
		return fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) < 0 ? -errno :
								      0;
	}
	return ftruncate(fd, 4096) < 0 ? -errno : 0;
}

/* The last reference may be one in a socket that nobody reads. */
static long do_send(void *ctx)
{
	struct fuzzer *z = ctx;
	enum pool_kind kind;
	int fd = pool_take(&z->s->pool, &z->rng, &kind);
	int sock[2];
	long ret;

	if (fd < 0)
		return -ENOENT;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
		return -errno;
	ret = send_fd(sock[0], fd);
	close(fd);
	close(sock[0]);
	close(sock[1]);
	return ret;
}

static long do_debugfs(void *ctx)
{
	static const char *const names[] = { "info", "exits", "regions" };
	struct fuzzer *z = ctx;
	char path[400], buf[4096];
	long ret = 0;
	int fd;

	if (!stats_dir(getpid(), buf, 200))
		return -ENOENT;
	snprintf(path, sizeof(path), "%.200s/%s", buf,
		 names[rng_below(&z->rng, ARRAY_LEN(names))]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* It may be gone by now. */
	if (read(fd, buf, sizeof(buf)) < 0)
		ret = -errno;
	if (rng_one_in(&z->rng, 2))
		close(fd);
	else
		put(z, POOL_OTHER, fd);
	return ret;
}

/* ---- processes ----------------------------------------------------------- */

/* In a child: another address space, the same descriptors. */
static void be_a_child(void *ctx)
{
	struct fuzzer *z = ctx;
	struct vireo_io_id id = { .size = sizeof(id) };
	struct shared *s = z->s;
	int vm, i, ret;

	for (i = 0; i < 20; i++) {
		id.id = any_id(z);
		vm = rng_one_in(&z->rng, 2) ?
			     s->vm :
			     pool_find(&s->pool, &z->rng, POOL_VM);
		ret = IOCTL(vm, VIREO_IO_DEL, &id);
		/*
		 * fork() copied the table of descriptors before the memory
		 * that says what they are: it may be another's by now.
		 */
		if (ret != -EPERM && ret != -EBADF && ret != -ENOTTY &&
		    ret != -EIO)
			fuzz_complain(s->f,
				      "a child's request is not refused: %d",
				      ret);
		do_io_add(z);
		do_mmap(z);
		do_close(z);
		do_vcpu_create(z);
		do_vm_create(z);
	}
	fuzz_checked(s->f);
}

static long do_fork(void *ctx)
{
	struct fuzzer *z = ctx;

	return fuzz_fork(z->s->f, &z->rng, be_a_child, z);
}

static long do_kill(void *ctx)
{
	struct fuzzer *z = ctx;

	return fuzz_kill(z->s->f, &z->rng);
}

static const struct fuzz_op ops[] = {
	{ "open", do_open, 20, false },
	{ "info", do_info, 20, false },
	{ "vm-create", do_vm_create, 60, false },
	{ "io-add", do_io_add, 300, false },
	{ "io-del", do_io_del, 100, false },
	{ "io-enable", do_io_enable, 60, false },
	{ "stats", do_stats, 60, false },
	{ "vcpu-create", do_vcpu_create, 60, false },
	{ "vcpu-run", do_vcpu_run, 60, false },
	{ "wild", do_wild, 60, true },
	{ "mmap", do_mmap, 200, false },
	{ "munmap", do_munmap, 30, false },
	{ "scribble", do_scribble, 100, false },
	{ "remap", do_remap, 40, false },
	{ "scribble-run", do_scribble_run, 60, false },
	{ "script", do_script, 40, false },
	{ "kvm-vm", do_kvm_vm, 10, false },
	{ "kvm-vcpu", do_kvm_vcpu, 10, false },
	{ "eventfd", do_eventfd, 20, false },
	{ "dup", do_dup, 40, false },
	{ "close", do_close, 60, false },
	{ "file", do_file, 20, false },
	{ "send", do_send, 20, false },
	{ "debugfs", do_debugfs, 10, false },
	{ "fork", do_fork, 4, false },
	{ "kill", do_kill, 1, true },
};

/* ---- rounds -------------------------------------------------------------- */

static void *fuzz_thread(void *arg)
{
	struct fuzzer *z = arg;

	/* A vCPU that is run here ends by it. */
	fuzz_kick_me(20000);
	fuzz_steps(z->s->f, z->number, &z->rng, z);
	return NULL;
}

static int start(struct shared *s, struct rng *r)
{
	int i, dev, ret;

	s->g = mmap(NULL, sizeof(*s->g), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ret = pool_init(&s->pool, r);
	if (!ret)
		ret = guest_create(s->g, VCPUS);
	if (ret)
		return ret;
	dev = pool_put(&s->pool, r, POOL_DEV, vireo_open());
	ret = table_env_init(&s->env, dev);
	s->vm = vireo_vm_open(dev, s->g->vm, "guest");
	pool_put(&s->pool, r, POOL_VM, dup(s->vm));
	pool_put(&s->pool, r, POOL_KVM_VM, dup(s->g->vm));
	pool_put(&s->pool, r, POOL_KVM_VCPU, dup(s->g->vcpu[VCPUS - 1]));
	for (i = 0; i < VCPUS && !ret; i++) {
		script_make(s->g, i, r);
		if (i >= RUNNERS)
			continue;
		s->run[i] = (struct runner){
			.g = s->g,
			.vcpu = i,
			.vireo = -1,
			.kick_usec = 20000,
			.nice = 10,
			.board = s->f->board,
			.rng = { rng_next(r) },
		};
		/* The first one; -1 where there is none. */
		s->run[i].vireo = pool_put(&s->pool, r, POOL_VCPU,
					   guest_vcpu_create(s->g, s->vm, i));
		ret = runner_start(&s->run[i]);
	}
	return ret;
}

static void stop(struct shared *s, struct rng *r)
{
	enum pool_kind kind;
	int i, fd;

	for (i = 0; i < RUNNERS; i++)
		runner_stop(&s->run[i]);
	for (i = 0; i < 4 * POOL_FDS; i++) {
		fd = pool_take(&s->pool, r, &kind);
		if (fd >= 0)
			close(fd);
		pool_put_map(&s->pool, r, NULL);
	}
	close(s->vm);
	guest_destroy(s->g);
}

/*
 * In a process of its own, which ends with it.  Whatever runs on uses what was
 * allocated, so that is freed by nothing else.
 */
static int one_round(struct fuzz *f, uint64_t seed)
{
	struct rng r = { seed };
	struct shared *s = calloc(1, sizeof(*s));
	struct fuzzer *z = calloc(f->threads, sizeof(*z));
	unsigned int i;
	int ret;

	if (!s || !z) {
		free(z);
		free(s);
		return 1;
	}
	s->f = f;
	s->compat = compat_works();
	ret = start(s, &r);
	if (ret) {
		fuzz_complain(f, "no guest: %s", strerror(-ret));
		/* cppcheck-suppress memleak */
		return 1;
	}
	for (i = 0; i < f->threads; i++) {
		z[i].s = s;
		z[i].number = i;
		z[i].rng.state = rng_next(&r);
		if (arena_init(&z[i].arena) ||
		    pthread_create(&z[i].thread, NULL, fuzz_thread, &z[i]))
			return 1;
	}
	for (i = 0; i < f->threads; i++)
		pthread_join(z[i].thread, NULL);
	if (rng_one_in(&r, 2))
		stop(s, &r);
	return *f->board->complaint != 0;
}

int main(int argc, char **argv)
{
	struct fuzz f = {
		.name = "ioctl",
		.ops = ops,
		.nr_ops = ARRAY_LEN(ops),
		.round = one_round,
		.threads = 3,
		.steps = 400,
	};

	return fuzz_main(&f, argc, argv);
}

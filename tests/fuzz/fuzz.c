// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest/common.h"
#include "fuzz.h"

/*
 * Seconds that a step, or the end of a process, may take before it counts as
 * hung.  Steps take milliseconds; a loaded emulator gets its time.
 */
#define HANG_S 100

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* splitmix64 */
uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	return n ? rng_next(r) % n : 0;
}

bool rng_one_in(struct rng *r, unsigned int n)
{
	return !rng_below(r, n);
}

uint64_t rng_edge(struct rng *r)
{
	switch (rng_below(r, 5)) {
	case 0:
		return rng_below(r, 17);
	case 1:
		return -rng_below(r, 17);
	case 2:
		return (1ULL << rng_below(r, 64)) + rng_below(r, 5) - 2;
	case 3:
		return 4096 * rng_below(r, 20) + rng_below(r, 17) - 8;
	}
	return rng_next(r) >> rng_below(r, 64);
}

static int choose_op(const struct fuzz *f, struct rng *r)
{
	uint64_t sum = 0, at;
	int i;

	for (i = 0; i < f->nr_ops; i++)
		sum += f->ops[i].weight;
	at = rng_below(r, sum);
	for (i = 0; at >= f->ops[i].weight; i++)
		at -= f->ops[i].weight;
	return i;
}

void fuzz_steps(struct fuzz *f, int n, struct rng *r, void *ctx)
{
	struct fuzz_thread *t = &f->board->thread[n];
	struct fuzz_count *count;
	unsigned int i;
	uint64_t took;
	long ret;

	t->tid = syscall(SYS_gettid);
	for (i = 0; i < f->steps && !*f->board->complaint; i++) {
		t->op = choose_op(f, r);
		t->step = i;
		__atomic_store_n(&t->since, now_ns(), __ATOMIC_RELEASE);
		ret = f->ops[t->op].fn(ctx);
		took = now_ns() - t->since;
		__atomic_store_n(&t->since, 0, __ATOMIC_RELEASE);

		count = &f->board->count[t->op];
		if (took > count->longest)
			count->longest = took;
		if (ret < 0 && ret > -4096) {
			__atomic_add_fetch(&count->failed, 1, __ATOMIC_RELAXED);
			count->error = -ret;
		} else {
			__atomic_add_fetch(&count->done, 1, __ATOMIC_RELAXED);
		}
		if (f->verbose)
			fprintf(stderr, "%d.%u %s: %ld\n", n, i,
				f->ops[t->op].name, ret);
	}
}

void fuzz_complain(struct fuzz *f, const char *fmt, ...)
{
	char text[sizeof(f->board->complaint)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!*f->board->complaint)
		strcpy(f->board->complaint, text);
}

void fuzz_checked(struct fuzz *f)
{
	__atomic_add_fetch(&f->board->checks, 1, __ATOMIC_RELAXED);
}

long fuzz_fork(struct fuzz *f, struct rng *r, void (*child)(void *ctx),
	       void *ctx)
{
	int status;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		child(ctx);
		if (rng_one_in(r, 2))
			kill(getpid(), SIGKILL);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) != pid)
		;
	/* What the child did, it did with numbers that are next here. */
	rng_next(r);
	if (!(WIFEXITED(status) && !WEXITSTATUS(status)) &&
	    !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		fuzz_complain(f, "a child ended with %#x", status);
	return 0;
}

long fuzz_kill(struct fuzz *f, struct rng *r)
{
	if (!rng_one_in(r, 4))
		return -EAGAIN;
	f->board->may_be_killed = true;
	kill(getpid(), SIGKILL);
	return 0;
}

static void ignore(int sig)
{
	(void)sig;
}

void fuzz_kick_me(unsigned int usec)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGUSR1,
	};
	struct itimerspec each = {
		.it_interval.tv_nsec = usec * 1000,
		.it_value.tv_nsec = usec * 1000,
	};
	timer_t timer;

	event._sigev_un._tid = syscall(SYS_gettid);
	if (!timer_create(CLOCK_MONOTONIC, &event, &timer))
		timer_settime(timer, 0, &each, NULL);
}

/* ---- the parent ---------------------------------------------------------- */

static void show_threads(const struct fuzz *f, pid_t pid)
{
	char command[160];
	int i;

	for (i = 0; i < FUZZ_MAX_THREADS; i++) {
		const struct fuzz_thread *t = &f->board->thread[i];

		if (!t->tid)
			continue;
		printf("# thread %d: step %llu, %s%s\n", i,
		       (unsigned long long)t->step, f->ops[t->op].name,
		       t->since ? "" : " (done)");
	}
	snprintf(command, sizeof(command),
		 "for s in /proc/%d/task/*/stack; do echo \"# $s\"; cat $s; "
		 "done 2>/dev/null",
		 pid);
	fflush(stdout);
	if (system(command))
		printf("# no stacks\n");
}

static bool in_a_hung_step(const struct fuzz *f)
{
	uint64_t now = now_ns(), since;
	int i;

	for (i = 0; i < FUZZ_MAX_THREADS; i++) {
		since = __atomic_load_n(&f->board->thread[i].since,
					__ATOMIC_ACQUIRE);
		if (since && now > since + HANG_S * 1000000000ULL)
			return true;
	}
	return false;
}

/* Waits until a round has ended, whatever it does: its status, or -1. */
static int wait_for_round(struct fuzz *f, pid_t pid)
{
	uint64_t end = now_ns() + 4 * HANG_S * 1000000000ULL;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (in_a_hung_step(f) || now_ns() > end) {
			printf("# hung\n");
			show_threads(f, pid);
			kill(pid, SIGKILL);
			return -1;
		}
		usleep(2000);
	}
	return status;
}

static bool ended_well(struct fuzz *f, int status)
{
	if (*f->board->complaint)
		return false;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == 0;
	if (status == -1 || !WIFSIGNALED(status) ||
	    WTERMSIG(status) != SIGKILL || !f->board->may_be_killed)
		return false;
	f->board->killed++;
	return true;
}

static bool run_round(struct fuzz *f, uint64_t number)
{
	struct rng r = { f->seed + number * 0x632be59bd9b4e019 };
	int status;
	pid_t pid;

	memset(f->board->thread, 0, sizeof(f->board->thread));
	f->board->may_be_killed = false;
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		return false;
	}
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(f->round(f, rng_next(&r)));
	}
	status = wait_for_round(f, pid);
	if (!ended_well(f, status)) {
		printf("# round %llu ended with status %#x: %s\n",
		       (unsigned long long)number, status,
		       *f->board->complaint ? f->board->complaint : "no check");
		show_threads(f, pid);
		return false;
	}
	if (!vm_gone(pid)) {
		printf("# round %llu: its VM is still in debugfs\n",
		       (unsigned long long)number);
		return false;
	}
	return true;
}

/*
 * The kernel numbers eventfds, from the lowest number that is free: if it
 * grows, eventfds are left that somebody still holds.
 */
static int eventfd_number(void)
{
	int fd = eventfd(0, 0), number = -1;
	char path[64], line[80];
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "r");
	while (info && fgets(line, sizeof(line), info))
		if (sscanf(line, "eventfd-id: %d", &number) == 1)
			break;
	if (info)
		fclose(info);
	close(fd);
	return number;
}

static bool eventfds_left(int number)
{
	int i;

	for (i = 0; i < 200; i++) {
		if (eventfd_number() <= number)
			return false;
		usleep(10000);
	}
	printf("# eventfds are left: %d, not %d\n", eventfd_number(), number);
	return true;
}

/* Shows what was done; false if a thing never worked. */
static bool show_counts(const struct fuzz *f)
{
	const struct fuzz_count *c;
	bool off = false, ok = true;
	int i;

	/* What there is with the exit path off is not much. */
	for (i = 0; i < f->nr_ops; i++)
		off |= f->board->count[i].error == EOPNOTSUPP;
	printf("# %-16s %10s %10s %10s  last error\n", "step", "done", "failed",
	       "longest ms");
	for (i = 0; i < f->nr_ops; i++) {
		c = &f->board->count[i];
		printf("# %-16s %10llu %10llu %10llu  %s\n", f->ops[i].name,
		       (unsigned long long)c->done,
		       (unsigned long long)c->failed,
		       (unsigned long long)c->longest / 1000000,
		       c->error ? strerror(c->error) : "-");
		/* A fuzzer that gets nowhere tests nothing. */
		if (c->failed >= 100 && !c->done && !f->ops[i].hopeless &&
		    !off && c->error != ENOTTY) {
			printf("# %s never worked\n", f->ops[i].name);
			ok = false;
		}
	}
	return ok;
}

static void usage(const struct fuzz *f, FILE *to)
{
	fprintf(to,
		"usage: %s [OPTION]...\n"
		"\n"
		"  --seconds N  start rounds for so long (5)\n"
		"  --seed S     of all random numbers (random; it is printed)\n"
		"  --threads T  that do steps, 1 to %d (1: a seed always gives the\n"
		"               same sequence of steps) (%u)\n"
		"  --steps N    of each thread in a round (%u)\n"
		"  --round R    only this one\n"
		"  --verbose    each step and its result on standard error\n"
		"\n"
		"Needs /dev/kvm and /dev/vireo.  Exit status: 0 well, 1 not, 2 bad\n"
		"usage, 4 a facility is missing.\n",
		f->name, FUZZ_MAX_THREADS, f->threads, f->steps);
}

static bool parse(struct fuzz *f, int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'S' },
		{ "threads", required_argument, NULL, 't' },
		{ "steps", required_argument, NULL, 'n' },
		{ "round", required_argument, NULL, 'r' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			f->seconds = strtoul(optarg, NULL, 0);
			break;
		case 'S':
			f->seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			f->threads = strtoul(optarg, NULL, 0);
			break;
		case 'n':
			f->steps = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			f->only = strtoll(optarg, NULL, 0);
			break;
		case 'v':
			f->verbose = true;
			break;
		case 'h':
			usage(f, stdout);
			exit(0);
		default:
			return false;
		}
	}
	return optind == argc && f->threads && f->threads <= FUZZ_MAX_THREADS;
}

/* Whether the module and KVM are here to be fuzzed. */
static bool present(void)
{
	int dev = vireo_open(), kvm = kvm_vm_open();

	if (dev < 0 || kvm < 0)
		printf("# SKIP %s: %s\n", dev < 0 ? "/dev/vireo" : "/dev/kvm",
		       strerror(dev < 0 ? -dev : -kvm));
	if (dev >= 0)
		close(dev);
	if (kvm >= 0)
		close(kvm);
	return dev >= 0 && kvm >= 0;
}

int fuzz_main(struct fuzz *f, int argc, char **argv)
{
	struct sigaction action = { .sa_handler = ignore };
	uint64_t end, number = 0;
	long long served = stat_value(STATS_ROOT "/exits", "served");
	int eventfds = eventfd_number();
	bool ok = true;

	f->seconds = 5;
	f->only = -1;
	if (getrandom(&f->seed, sizeof(f->seed), 0) != sizeof(f->seed))
		return 1;
	if (!parse(f, argc, argv)) {
		usage(f, stderr);
		return 2;
	}
	if (!present())
		return 4;
	f->board = mmap(NULL, sizeof(*f->board), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (f->board == MAP_FAILED)
		return 1;

	sigaction(SIGUSR1, &action, NULL);

	printf("# %s --seed %#llx --threads %u --steps %u\n", f->name,
	       (unsigned long long)f->seed, f->threads, f->steps);
	if (f->only >= 0) {
		ok = run_round(f, f->only);
		number = 1;
	} else {
		end = now_ns() + f->seconds * 1000000000ULL;
		do {
			ok = run_round(f, number++);
		} while (ok && now_ns() < end);
		if (!ok)
			printf("# again: --seed %#llx --threads %u --steps %u --round %llu\n",
			       (unsigned long long)f->seed, f->threads,
			       f->steps, (unsigned long long)number - 1);
	}
	if (!show_counts(f) || eventfds_left(eventfds))
		ok = false;
	printf("# %llu rounds (%llu killed), %lld accesses served, %llu seen by user space, %llu checks\n",
	       (unsigned long long)number, (unsigned long long)f->board->killed,
	       stat_value(STATS_ROOT "/exits", "served") - served,
	       (unsigned long long)f->board->accesses,
	       (unsigned long long)f->board->checks);
	return ok ? 0 : 1;
}

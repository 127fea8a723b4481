// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vireo, with lists of system calls that are looked at or lack an entry:
 *
 *   SIEVE_WITHOUT="KIND N"  thread KIND's list (0: main, 1: vCPU, 2: I/O) has no
 *                           entry N
 *   SIEVE_RECORD=FILE       each entry of the main thread's and the I/O threads'
 *                           lists that is made use of is appended to FILE, once
 *                           for each process, as "KIND N"
 *   SIEVE_NO_ROUTES=1       KVM seems to have no more routes for messages
 *   SIEVE_LIST=1            prints "KIND N NAME" for each entry, and no more
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "compile.h"
#include "sandbox/filters.h"
#include "sandbox/lists.h"

#define MAX_CODE 512
#define MAX_THREADS 128
#define MAX_CALLS 256

int __real_seccomp_load_filter(enum sandbox_thread kind);
int __wrap_seccomp_load_filter(enum sandbox_thread kind);

static int record_fd = -1;
static bool no_routes;
static int without_kind = -1, without_entry = -1;

static struct {
	/*
	 * Of those who add to it.  The one who reads must not wait: it is what
	 * those wait for who let go of it.
	 */
	pthread_mutex_t lock;
	unsigned int nr;
	struct pollfd fds[MAX_THREADS];
	enum sandbox_thread kinds[MAX_THREADS];
	bool started;
	bool seen[SANDBOX_NR_THREADS][MAX_CALLS];
} recorder = { .lock = PTHREAD_MUTEX_INITIALIZER };

__attribute__((constructor)) static void prepare(void)
{
	const char *file = getenv("SIEVE_RECORD");
	const char *without = getenv("SIEVE_WITHOUT");
	int kind, i;

	no_routes = getenv("SIEVE_NO_ROUTES");
	if (file)
		record_fd = open(file,
				 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
				 0666);
	if (without &&
	    sscanf(without, "%d %d", &without_kind, &without_entry) != 2)
		abort();
	if (!getenv("SIEVE_LIST"))
		return;
	for (kind = 0; kind < SANDBOX_NR_THREADS; kind++)
		for (i = 0; sandbox_lists[kind][i].name; i++)
			printf("%d %d %s\n", kind, i,
			       sandbox_lists[kind][i].name);
	exit(0);
}

/* As on a host whose clock the vDSO cannot read. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	return (int)syscall(SYS_clock_gettime, clock, ts);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (request == KVM_SET_GSI_ROUTING && no_routes) {
		errno = ENOSPC;
		return -1;
	}
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

/* ---- the list lacks an entry --------------------------------------------------- */

static int load_without(enum sandbox_thread kind)
{
	struct sock_filter code[MAX_CODE];
	struct sock_fprog program = { .filter = code };
	int i, len = sandbox_compile(sandbox_lists[kind], without_entry, kind,
				     code, MAX_CODE);

	if (len < 0)
		return len;
	program.len = (unsigned short)len;
	for (i = 0; i < len; i++)
		if (code[i].code == (BPF_JMP | BPF_JEQ | BPF_K) &&
		    code[i].k == SANDBOX_OWN_PID)
			code[i].k = (uint32_t)getpid();
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) ?
		       -errno :
		       0;
}

/* ---- who uses what -------------------------------------------------------------- */

static void note(enum sandbox_thread kind, const struct seccomp_data *data)
{
	const struct sandbox_call *c = sandbox_lists[kind];
	uint32_t value;
	char line[24];
	int i, len;

	for (i = 0; c[i].name; i++) {
		value = c[i].value == SANDBOX_OWN_PID ? (uint32_t)getpid() :
							c[i].value;
		if (c[i].nr != data->nr ||
		    ((uint32_t)data->args[c[i].arg] & c[i].mask) != value)
			continue;
		if (recorder.seen[kind][i])
			return;
		recorder.seen[kind][i] = true;
		len = snprintf(line, sizeof(line), "%d %d\n", kind, i);
		if (write(record_fd, line, (size_t)len) != len)
			abort();
		return;
	}
	/* The filter that ships would have refused it. */
	len = dprintf(record_fd, "refused %d %d %#x\n", kind, data->nr,
		      (unsigned int)data->args[1]);
	if (len < 0)
		abort();
}

static void answer(int fd, enum sandbox_thread kind)
{
	struct seccomp_notif_resp resp = {
		.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
	};
	struct seccomp_notif req = { 0 };

	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &req))
		return; /* a signal came first: it comes again */
	note(kind, &req.data);
	resp.id = req.id;
	ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

static void *record(void *opaque)
{
	unsigned int i, nr;

	(void)opaque;
	for (;;) {
		nr = __atomic_load_n(&recorder.nr, __ATOMIC_ACQUIRE);
		if (poll(recorder.fds, nr, 5) <= 0)
			continue;
		for (i = 0; i < nr; i++) {
			if (recorder.fds[i].revents & POLLIN)
				answer(recorder.fds[i].fd, recorder.kinds[i]);
			else if (recorder.fds[i].revents)
				recorder.fds[i].fd = -1; /* it has ended */
		}
	}
	return NULL;
}

static int load_recorded(enum sandbox_thread kind)
{
	struct sock_filter code[] = {
		{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF },
	};
	struct sock_fprog program = { 1, code };
	sigset_t all, old;
	pthread_t thread;
	int fd, rc = 0;

	pthread_mutex_lock(&recorder.lock);
	if (!recorder.started) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		rc = pthread_create(&thread, NULL, record, NULL);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		recorder.started = !rc;
	}
	if (!rc && recorder.nr == MAX_THREADS)
		rc = EMFILE;
	if (rc) {
		pthread_mutex_unlock(&recorder.lock);
		return -rc;
	}
	recorder.kinds[recorder.nr] = kind;
	recorder.fds[recorder.nr].events = POLLIN;
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			  SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (fd >= 0) {
		recorder.fds[recorder.nr].fd = fd;
		__atomic_store_n(&recorder.nr, recorder.nr + 1,
				 __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&recorder.lock);
	return fd < 0 ? -errno : 0;
}

int __wrap_seccomp_load_filter(enum sandbox_thread kind)
{
	if (without_kind == (int)kind)
		return load_without(kind);
	if (record_fd >= 0 && kind != SANDBOX_VCPU)
		return load_recorded(kind);
	return __real_seccomp_load_filter(kind);
}

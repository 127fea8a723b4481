// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disk I/O inside of a guest of tests/bench: as fio(1) with bs=4k and direct=1,
 * in a random order that is the same each time, but small enough for an
 * initramfs.
 *
 *   blockio DISK read|write DEPTH COUNT [JOBS]
 *
 * Each of JOBS processes, on a processor of its own, makes COUNT requests as with
 * ioengine=libaio and iodepth=DEPTH.  Prints the ticks of the processor's clock
 * that a request takes, which in a lab in instruction-count mode are instructions
 * (of guest, VMM and host together), and the requests that there were for each
 * interrupt of a disk.  Port MARK tells whoever traces the host when it begins
 * and ends.
 *
 *   blockio DISK read|write sync COUNT
 *
 * As with ioengine=psync: one request after the other.  Prints the ticks alone.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define BLOCK 4096
#define MAX_DEPTH 256
#define MARK 0x5658
/* Of sync: in turn, so that requests reach over much of the guest's memory. */
#define BUFFERS 2048

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* A generator of Knuth's, whose upper bits are good. */
static uint64_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

struct job {
	int fd;
	int op;
	uint64_t blocks;
	uint64_t seed;
	unsigned long depth;
	unsigned long count;
	char *buffers;
	aio_context_t ctx;
};

static void disk_open(struct job *job, const char *disk)
{
	off_t size;

	job->fd = open(disk, (job->op == IOCB_CMD_PREAD ? O_RDONLY : O_RDWR) |
				     O_DIRECT);
	if (job->fd < 0)
		die(disk);
	size = lseek(job->fd, 0, SEEK_END);
	if (size < BLOCK)
		die("size");
	job->blocks = (uint64_t)size / BLOCK;
}

static void job_open(struct job *job, const char *disk, unsigned int n)
{
	disk_open(job, disk);
	job->seed = n + 1;
	job->buffers = mmap(NULL, job->depth * BLOCK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (job->buffers == MAP_FAILED)
		die("mmap");
	if (syscall(SYS_io_setup, job->depth, &job->ctx))
		die("io_setup");
}

static void job_run(struct job *job)
{
	static struct iocb iocbs[MAX_DEPTH], *list[MAX_DEPTH];
	static struct io_event events[MAX_DEPTH];
	unsigned long begun = 0, done = 0, i, n;
	struct iocb *cb;
	long ret;

	for (i = 0; i < job->depth; i++) {
		cb = &iocbs[i];
		cb->aio_fildes = (uint32_t)job->fd;
		cb->aio_lio_opcode = (uint16_t)job->op;
		cb->aio_buf = (uintptr_t)job->buffers + i * BLOCK;
		cb->aio_nbytes = BLOCK;
		list[i] = cb;
	}
	for (n = job->depth; done < job->count; done += n) {
		if (n > job->count - begun)
			n = job->count - begun;
		for (i = 0; i < n; i++)
			list[i]->aio_offset =
				(int64_t)(next(&job->seed) % job->blocks) *
				BLOCK;
		if (n && syscall(SYS_io_submit, job->ctx, n, list) != (long)n)
			die("io_submit");
		begun += n;
		ret = syscall(SYS_io_getevents, job->ctx, 1, job->depth, events,
			      NULL);
		if (ret < 1)
			die("io_getevents");
		n = (unsigned long)ret;
		for (i = 0; i < n; i++) {
			if (events[i].res != BLOCK)
				die("a request");
			list[i] = (struct iocb *)(uintptr_t)events[i].obj;
		}
	}
}

static void run_sync(struct job *job, const char *disk)
{
	bool write = job->op == IOCB_CMD_PWRITE;
	unsigned long i;
	uint64_t start;
	ssize_t n;

	disk_open(job, disk);
	job->seed = 1;
	job->buffers = mmap(NULL, BUFFERS * BLOCK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (job->buffers == MAP_FAILED)
		die("mmap");
	start = __rdtsc();
	for (i = 0; i < job->count; i++) {
		off_t at = (off_t)(next(&job->seed) % job->blocks * BLOCK);
		char *buffer = job->buffers + i % BUFFERS * BLOCK;

		if (write)
			memcpy(buffer, &i, sizeof(i));
		n = write ? pwrite(job->fd, buffer, BLOCK, at) :
			    pread(job->fd, buffer, BLOCK, at);
		if (n != BLOCK)
			die("a request");
	}
	printf("random-%s %llu\n", write ? "write" : "read",
	       (unsigned long long)((__rdtsc() - start) / job->count));
}

/* Of all disks' queues since the start. */
static unsigned long interrupts(void)
{
	FILE *file = fopen("/proc/interrupts", "re");
	unsigned long sum = 0;
	char line[1024], *p, *end;

	if (!file)
		die("/proc/interrupts");
	while (fgets(line, sizeof(line), file)) {
		p = strchr(line, ':');
		if (!p || !strstr(line, "virtio") || !strstr(line, "req"))
			continue;
		for (p++;; p = end) {
			sum += strtoul(p, &end, 10);
			if (end == p)
				break;
		}
	}
	fclose(file);
	return sum;
}

/* The kernel does it: not all hosts let a guest's programs use ports. */
static void mark(uint8_t what)
{
	static int port = -1;

	if (port < 0)
		port = open("/dev/port", O_WRONLY);
	if (pwrite(port, &what, 1, MARK) != 1)
		die("/dev/port");
}

static void run_on(unsigned int cpu, struct job *job, const char *disk)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
	job_open(job, disk, cpu);
}

int main(int argc, char **argv)
{
	struct job job = { 0 };
	unsigned int i, jobs = 1;
	unsigned long before;
	uint64_t start, ticks;
	int go[2], status;
	char c;

	if (argc < 5 || argc > 6)
		return 2;
	job.op = strcmp(argv[2], "write") ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
	job.depth = strtoul(argv[3], NULL, 0);
	job.count = strtoul(argv[4], NULL, 0);
	if (argc == 5 && job.count && !strcmp(argv[3], "sync")) {
		run_sync(&job, argv[1]);
		return 0;
	}
	if (argc == 6)
		jobs = (unsigned int)strtoul(argv[5], NULL, 0);
	if (!job.depth || job.depth > MAX_DEPTH || !job.count || !jobs)
		return 2;
	if (pipe(go))
		die("pipe");
	for (i = 1; i < jobs; i++) {
		if (fork())
			continue;
		run_on(i, &job, argv[1]);
		close(go[1]);
		if (read(go[0], &c, 1) < 0)
			die("read");
		job_run(&job);
		_exit(0);
	}
	run_on(0, &job, argv[1]);
	sleep(1); /* until the others wait */

	before = interrupts();
	mark(1);
	start = __rdtsc();
	close(go[1]);
	job_run(&job);
	for (i = 1; i < jobs; i++)
		if (wait(&status) < 0 || status)
			die("a job");
	ticks = __rdtsc() - start;
	mark(2);
	printf("blockio %s %lu %u ticks %llu per-interrupt %.2f\n", argv[2],
	       job.depth, jobs,
	       (unsigned long long)(ticks / (job.count * jobs)),
	       (double)(job.count * jobs) / (double)(interrupts() - before));
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of /dev/vireo share: opening, adding regions, taking posts,
 * reading statistics.  Functions give -errno on failure unless they say
 * otherwise.
 */
#ifndef VIREO_KSELFTEST_COMMON_H
#define VIREO_KSELFTEST_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include <linux/vireo.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* An ioctl that returns -errno. */
#define IOCTL(fd, cmd, arg) ({ long r_ = ioctl(fd, cmd, arg); \
			       r_ < 0 ? -errno : r_; })

/*
 * In FIXTURE_SETUP: the harness's SKIP(return, ...) would run the test all the
 * same.  255 is its status of a test that is skipped.
 */
#define SKIP_SETUP(...) SKIP(_exit(255), __VA_ARGS__)

int vireo_open(void);
/* VIREO_EXIT_PATH_*, or -errno. */
int exit_path(int dev);
int kvm_vm_open(void);
int vireo_vm_open(int dev, int kvm_vm, const char *name);
/* With counters for so many vCPUs; the other has them for all of a guest. */
int vireo_vm_open_vcpus(int dev, int kvm_vm, const char *name, uint32_t vcpus);

/* A region with one rule list; change what a test is about. */
struct vireo_io_add io_template(uint32_t bus, uint64_t addr, uint64_t len,
				const struct vireo_rule *rules, uint32_t nr);
/* Adds it; its id or -errno. */
int io_add(int vm, struct vireo_io_add *add);
int io_del(int vm, uint32_t id);
int io_enable(int vm, uint32_t id);
int io_disable(int vm, uint32_t id);

/* A region's area. */
struct area {
	uint8_t *shadow;
	struct vireo_ring *ring;	/* NULL if there is none */
	size_t size;
};

int area_map(int vm, uint32_t id, uint32_t ring_entries, struct area *area);
int area_map_pages(int vm, uint32_t id, uint32_t shadow_pages,
		   uint32_t ring_entries, struct area *area);
void area_unmap(struct area *area);
/* Takes one post; whether there was one. */
bool ring_take(struct vireo_ring *ring, struct vireo_post *post);
/* Reads and resets an eventfd; 0 if it was not signalled. */
uint64_t eventfd_take(int fd);

/* A descriptor over a socket: 0, the descriptor, or -errno. */
int send_fd(int sock, int fd);
int receive_fd(int sock);

/*
 * The statistics.  The path of a file in the directory of this process's
 * newest VM, or of the VM of another process.
 */
#define STATS_ROOT "/sys/kernel/debug/vireo"
bool stats_dir(pid_t pid, char *path, size_t size);
/* Whether the process has no VM in the statistics, soon. */
bool vm_gone(pid_t pid);
/* The number after a name in a file of "name value" lines, or -1. */
long long stat_value(const char *file, const char *name);
/* A column, named by the header, of a region's line; or -1. */
long long region_stat(const char *dir, const char *region, const char *column);

/* Loading and unloading, straight by system call; -errno. */
int module_refcount(void);
int module_unload(void);
/* References go with delayed work of the kernel: soon, not at once. */
int module_unload_soon(void);
/* NULL: as tests/kselftest/run loads it. */
int module_load(const char *params);

#endif

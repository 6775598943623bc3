/* SPDX-License-Identifier: MIT
 *
 * The function table that native drivers get, and the driver that the benchmark runs.
 */
#ifndef MOVABLE_NATIVE_H
#define MOVABLE_NATIVE_H

#include <movable/driver.h>

/* Its functions act on the machine whose code runs on this thread (current_vm). */
extern const struct movable_api movable_api;

/* native_driver.c: keeps one page per slot, moves it by copying. Written against the public header only. */
extern const struct address_space_operations native_driver_ops;

/* Hands the table to the driver; 0, or -EINVAL if it was built for another version. */
int native_driver_init(const struct movable_api *api);

#endif

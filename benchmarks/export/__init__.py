"""What of Keras can be exported, how exactly, in how much memory and time."""
